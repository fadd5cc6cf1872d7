// SPDX-License-Identifier: GPL-2.0-only
// Preserved vmalloc areas (specs/kho.md §2.5): a descriptor in a subsystem's blob, and chunks that list runs of pages.
#pragma once

#include "sim/handover/users.hpp"

namespace baton::sim {

inline constexpr int kVmallocDescriptorBytes = 16;

/// Decodes a descriptor, which lies in the blob at `at`, and walks its chunks.
VmallocArea read_vmalloc(std::span<const u8> descriptor, PhysAddr at, u32 page_shift, const Coverage& preserved,
                         const RamReader& read, WarningSink& warnings);

}  // namespace baton::sim
