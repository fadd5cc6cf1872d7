// SPDX-License-Identifier: GPL-2.0-only
// The 128-bit hash that closes every step, and by which a replay proves itself (decision D32).
//
//   H = Σ over frames with non-zero content of XXH3-128(pfn ‖ page)
//     + Σ over named fields of the CPU and the devices of XXH3-128(kind ‖ length ‖ name ‖ value)      mod 2^128
//
// A sum has no order, so a frame's old term is subtracted and the new one added: an update hashes only the frames
// written since the last one (restored snapshots included: a restore is a write). Terms are cached, 16 bytes a touched
// frame.
//
// A frame of kernel text whose bytes still equal the image file counts as (image name, offset) instead of its bytes; a
// damaged one counts by its bytes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/memory/hash128.hpp"
#include "sim/memory/physical_memory.hpp"

namespace baton::sim {

/// Text and rodata of one image in RAM. Only whole frames of [start, start + bytes.size()) are compared.
struct ImageText {
    PhysAddr start;         // multiple of 4 KiB
    std::vector<u8> bytes;  // what the image file says should be there
    u64 offset = 0;         // of bytes[0] in the file
    std::string name;       // of the image slot
};

/// The sum over RAM. With a power-on pattern, frames never written do not count.
class RamHash {
public:
    explicit RamHash(PhysicalMemory& memory);
    /// Images may move at every kexec: the list replaces the last one.
    void set_images(std::vector<ImageText> images);
    Hash128 value();

private:
    Hash128 term(u64 frame) const;

    PhysicalMemory& memory_;
    DirtyClient dirty_;
    HostMapping cache_;
    Hash128* terms_;  // of each frame, as they are in `sum_`
    Hash128 sum_;
    std::vector<ImageText> images_;
};

/// The sum of RAM and of named fields. A name and value added twice count twice, so names are unique:
/// "nic0.status", "cpu.rip".
class StateHash {
public:
    explicit StateHash(Hash128 ram = {}) : sum_(ram) {}
    StateHash& add(std::string_view name, u64 value);
    StateHash& add(std::string_view name, std::span<const u8> bytes);
    Hash128 value() const { return sum_; }

private:
    Hash128 sum_;
};

}  // namespace baton::sim
