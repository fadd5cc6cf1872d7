// SPDX-License-Identifier: GPL-2.0-only
// Named memory of a scenario: where it is, what the host wrote there, and whether it is still so (decision D25).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scenarios/engine/scenario.hpp"
#include "sim/machine.hpp"

namespace baton::scenarios {

struct Block {
    PhysAddr phys;
    u64 pages = 0;  // of the kernel's page size
    bool operator==(const Block&) const = default;
};

struct Region {
    std::string name;
    BlockKind kind = BlockKind::kFolio;
    u32 slot = 0;              // of a vmalloc area, in the running kernel; its blocks are single pages
    u64 area_start = 0;        // of a vmalloc area: first page in the vmalloc range, also of one that was freed
    bool reserve_mem = false;  // of the kernel's command line; found anew after every boot
    std::vector<Block> blocks;
    std::vector<Block> original;  // where it was when it was allocated, or first found
    bool filled = false;
    bool captured = false;  // filled by whoever made the capture: sim::pattern_word()
    bool known = true;      // to the running kernel; reserve_mem of an earlier one may not be
    bool held = true;       // its memory is its own: not freed, and restored by a kernel that was handed it
    u64 pages() const;
};

/// The pattern page of (seed, physical address, region): what `fill` writes and `intact` compares.
void pattern(u64 seed, PhysAddr page, std::string_view region, std::span<u8> out);

/// What the region holds there if nobody changed it.
void expected_content(u64 seed, PhysAddr page, const Region& region, std::span<u8> out);

/// Writes the pattern to every page of the region. The name of an owner that is not userspace's, where one is met:
/// userspace cannot write there.
std::optional<std::string> fill(sim::Machine& machine, const Region& region);

/// First byte that is not as `fill` left it (which wrote at the original addresses; content moves with the region).
struct Difference {
    PhysAddr at;
    u8 is = 0;
    u8 was = 0;
};
std::optional<Difference> first_difference(sim::Machine& machine, const Region& region);

/// Blocks of a range of a region: whole blocks, or parts of them cut to pages.
std::vector<Block> cut(const Region& region, const Range& range, u64 page_size);

/// A page of a block becomes a block of its own.
void cut_out(Region& region, std::size_t block, u64 page, u64 page_size);

/// A region as bytes for a saved machine, and back.
std::vector<u8> to_bytes(const std::vector<Region>& regions);
std::vector<Region> regions_from_bytes(std::span<const u8> bytes);

}  // namespace baton::scenarios
