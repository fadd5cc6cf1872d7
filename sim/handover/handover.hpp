// SPDX-License-Identifier: GPL-2.0-only
// A handover as an observer sees it: read from raw RAM, by code that shares nothing with the kernels that wrote it.
//
// Used for reports, for the independent check of what survived, and for `handover_hash` (decision D4). Everything is
// bounded: hostile or broken data ends in a warning, never in a crash or an endless walk. Formats: specs/kho.md §2.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/geometry.hpp"
#include "model/rules.hpp"

namespace baton::sim {

/// Copies bytes of physical memory; false if any of them is not RAM.
using RamReader = std::function<bool(PhysAddr, std::span<u8>)>;

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
};

/// Reads the zero page (and its setup_data list) or the device tree at `argument`. Without KHO data `fdt` is 0 and only
/// the initrd is filled in. Nothing if the boot data itself is unreadable.
std::optional<BootHandover> read_boot_handover(Isa isa, PhysAddr argument, const RamReader& read);

struct HandoverBlock {
    PhysAddr phys;
    Order order;
    bool operator==(const HandoverBlock&) const = default;
};

struct HandoverPiece {
    PhysAddr phys;
    std::vector<u8> bytes;
};

struct HandoverSubtree {
    std::string name;
    PhysAddr blob;
};

struct Handover {
    HandoverPiece root_fdt;                 // totalsize bytes
    std::vector<HandoverSubtree> subtrees;  // in the order of the FDT
    std::vector<HandoverPiece> sub_fdts;    // those blobs that are FDTs, by totalsize
    std::vector<HandoverPiece> tracker;     // chunk pages and bitmaps in walk order
    std::vector<HandoverBlock> blocks;      // in walk order
    HandoverPiece scratch_array;
    std::vector<PhysRange> scratch;
    std::vector<std::string> warnings;
    u64 pages = 0;  // that the blocks cover, of the kernel's page size
};

/// Walks a handover of the generation whose rules these are.
Handover read_handover(const BootHandover& boot, const Geometry& geometry, const Rules& rules, const RamReader& read);

/// XXH3-128 over (tag, phys, bytes) of every piece and of the preserved pages, ascending (decision D4), as 32 hex
/// digits.
std::string handover_hash(const BootHandover& boot, const Handover& handover, const Geometry& geometry,
                          const TouchedFrames& touched);

}  // namespace baton::sim
