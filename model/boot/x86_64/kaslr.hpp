// SPDX-License-Identifier: GPL-2.0-only
// Where an image may move itself (specs/kexec.md §8.2; specs/kho.md §3.11).
#pragma once

#include "model/kernel.hpp"

namespace baton::boot::kaslr {

inline constexpr u64 kSlotBytes = 2 * kMiB;  // slots are multiples of it
inline constexpr u32 kAreasMax = 100;

/// All there is to know before the kernel proper runs.
struct Entered {
    PhysAddr image;  // where it runs
    u64 image_size;  // in memory
    PhysAddr zero_page;
    KernelConfig config;
};

/// Slots one after the other.
struct SlotArea {
    PhysAddr first;
    u64 count;
};

struct Slots {
    u32 area_count = 0;
    bool full = false;  // there would have been more areas
    u64 total = 0;
    SlotArea areas[kAreasMax];
};

/// Every slot that holds the image, lies above min(image, 512 MiB) and touches nothing the boot still needs: in the
/// scratch areas if KHO data came along, else in e820 RAM, in the order of that table.
void find_slots(const Entered& entered, Slots& slots);
/// `index` < slots.total.
PhysAddr slot_at(const Slots& slots, u64 index);

}  // namespace baton::boot::kaslr
