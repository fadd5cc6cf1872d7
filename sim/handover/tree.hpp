// SPDX-License-Identifier: GPL-2.0-only
// A flattened tree read from raw memory: loaded by its own size, judged by libfdt, and then looked at more strictly.
//
// Handovers are written by a few lines of code, so every byte of their trees is known: versions, padding, the strings
// block. A bit that no reader looks at is still a bit that memory lost.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.hpp"
#include "sim/handover/warning.hpp"

namespace baton::sim {

/// Copies bytes of physical memory; false if any of them is not RAM.
using RamReader = std::function<bool(PhysAddr, std::span<u8>)>;

/// No tree of a handover is larger.
inline constexpr u64 kTreeBytesMax = 2 * kMiB;

/// The header as it is, in host order.
struct TreeHeader {
    u32 totalsize = 0;
    u32 off_struct = 0;
    u32 off_strings = 0;
    u32 off_reserve = 0;
    u32 version = 0;
    u32 last_compatible = 0;
    u32 boot_cpu = 0;
    u32 size_strings = 0;
    u32 size_struct = 0;
    bool operator==(const TreeHeader&) const = default;
};
TreeHeader header_of(std::span<const u8> tree);

struct LoadedTree {
    enum class State { kAbsent, kNoTree, kBroken, kGood };
    State state = State::kAbsent;
    int error = 0;          // libfdt's, if broken
    std::vector<u8> bytes;  // totalsize of them, if good
};
LoadedTree load_tree(PhysAddr at, u64 bytes_max, const RamReader& read);
/// "FDT_ERR_TRUNCATED (-8)".
std::string tree_error(int error);

/// Warns of what libfdt lets pass. `tree` is good and lies at `at`.
void lint_tree(std::span<const u8> tree, PhysAddr at, std::string_view what, WarningSink& warnings);

/// A property that names a string: its text if it is exactly that, with its NUL.
std::optional<std::string_view> tree_string(const void* tree, int node, const char* name);
/// 8 or 4 bytes of the CPU's own order; nothing if it is missing or of another length.
std::optional<u64> tree_u64(const void* tree, int node, const char* name);
std::optional<u32> tree_u32(const void* tree, int node, const char* name);
/// Length of a property, -1 if there is none.
int tree_length(const void* tree, int node, const char* name);
/// Notes every property and child that is not in the lists; a child list of {"*"} takes all.
void note_unknown(const void* tree, int node, PhysAddr at, std::initializer_list<std::string_view> properties,
                  bool children_known, WarningSink& warnings);

}  // namespace baton::sim
