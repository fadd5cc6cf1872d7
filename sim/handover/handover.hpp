// SPDX-License-Identifier: GPL-2.0-only
// A handover as an observer sees it: read from raw memory, by code that shares nothing with the kernels that wrote it.
//
// Used to inspect captures and dumps, for reports, for the independent check of what survived, and for `handover_hash`
// (decision D4). Everything is bounded: hostile or broken data ends in a warning, never in a crash or an endless walk.
// Three layers: this file decodes what the tracker and the root FDT say; users.hpp reads the subtrees; audit.hpp asks
// whether it all fits together. Formats: specs/kho.md §2.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/geometry.hpp"
#include "model/rules.hpp"
#include "sim/handover/format.hpp"
#include "sim/handover/tree.hpp"
#include "sim/handover/warning.hpp"

namespace baton::sim {

/// Calls back with every 4 KiB frame of a range that anything ever wrote, ascending; frames that are not RAM are left
/// out.
using TouchedFrames = std::function<void(PhysRange, const std::function<void(PhysAddr, std::span<const u8>)>&)>;

/// What the boot protocol hands to the next kernel, with the bytes that say so.
struct BootHandover {
    PhysAddr fdt;
    u64 fdt_size = 0;
    PhysAddr scratch;
    u64 scratch_bytes = 0;
    PhysAddr record_at;      // setup_data node (x86-64) or device tree (AArch64)
    std::vector<u8> record;  // the node, or the two properties' payloads
    PhysRange initrd;
    PhysAddr fdt_field;      // where the 16 bytes {address, size} of the FDT lie
    PhysAddr scratch_field;  // and those of the scratch array
    std::vector<Warning> warnings;
};

/// Reads the zero page (and its setup_data list) or the device tree at `argument`. Without KHO data `fdt` is 0 and only
/// the initrd is filled in. Nothing if the boot data itself is unreadable.
std::optional<BootHandover> read_boot_handover(Isa isa, PhysAddr argument, const RamReader& read);
/// The same from a setup_data list that begins at `first`.
BootHandover read_setup_data(PhysAddr first, const RamReader& read);
/// The same from a device tree's bytes, which lie at `at`; libfdt has accepted them.
BootHandover read_chosen(std::span<const u8> tree, PhysAddr at);

struct HandoverBlock {
    PhysAddr phys;
    Order order;
    bool operator==(const HandoverBlock&) const = default;
    auto operator<=>(const HandoverBlock&) const = default;
};

struct HandoverPiece {
    PhysAddr phys;
    std::vector<u8> bytes;
};

struct HandoverSubtree {
    std::string name;
    PhysAddr blob;
    std::optional<u64> size;  // bytes, where the generation states it
    bool operator==(const HandoverSubtree&) const = default;
};

/// A bitmap of a chunk list, or a leaf of the radix tree, and the run of `blocks` that came from it.
struct HandoverBitmap {
    PhysAddr phys;
    u64 bytes = 0;
    Order order;      // chunk list; for a leaf that of its first block
    PhysAddr window;  // chunk list: the address of bit 0
    u64 first_block = 0;
    u64 blocks = 0;
    bool operator==(const HandoverBitmap&) const = default;
};

struct Handover {
    HandoverPiece root_fdt;                  // totalsize bytes
    std::string compatible;                  // of the root FDT
    PhysAddr map;                            // head of the tracker
    const HandoverFormat* format = nullptr;  // by which it was read; null: of no known one, no tracker was read
    std::string format_reason;               // how that was known
    std::vector<HandoverSubtree> subtrees;   // in the order of the FDT
    std::vector<HandoverPiece> sub_fdts;     // those blobs that are FDTs, by totalsize
    std::vector<HandoverPiece> blobs;        // those that are not, by the size stated for them
    std::vector<HandoverPiece> tracker;      // chunk pages and bitmaps, or radix nodes, in walk order
    std::vector<HandoverBitmap> bitmaps;     // in walk order
    std::vector<HandoverBlock> blocks;       // in walk order
    HandoverPiece scratch_array;
    std::vector<PhysRange> scratch;
    std::vector<Warning> warnings;
    u64 pages = 0;  // that the blocks cover, of the kernel's page size
};

inline constexpr u64 kBlocksMax = u64{1} << 22;      // 16 GiB in single pages
inline constexpr u64 kTrackerBytesMax = 512 * kMiB;  // the bitmaps of 16 TiB in single pages
inline constexpr u64 kScratchAreasMax = 4096;

/// Walks a handover that a kernel of `rules` wrote.
Handover read_handover(const BootHandover& boot, const Geometry& geometry, const Rules& rules, const RamReader& read);

struct DecodeOptions {
    u32 page_shift = 12;
    const HandoverFormat* format = nullptr;  // null: by the compatible string and what the bitmaps look like
    std::string reason;                      // how a given format was known
    bool doubt = false;                      // warn where a given bitmap size does not look right; reads chunks twice
    std::span<const PhysRange> ram;          // helps to tell bitmap sizes apart; may be empty
};
Handover decode_handover(const BootHandover& boot, const DecodeOptions& options, const RamReader& read);

/// XXH3-128 over (tag, phys, bytes) of every piece and of the preserved pages, ascending (decision D4), as 32 hex
/// digits.
std::string handover_hash(const BootHandover& boot, const Handover& handover, const Geometry& geometry,
                          const TouchedFrames& touched);

}  // namespace baton::sim
