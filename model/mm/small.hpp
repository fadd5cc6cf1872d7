// SPDX-License-Identifier: GPL-2.0-only
// State of the small-object allocator (mm::small_alloc): per size class, the pages that have room.
#pragma once

#include "model/types.hpp"

namespace baton {

inline constexpr u32 kSmallClasses = 7;  // 32 << i bytes: 32 … 2048
struct SmallAllocator {
    u64 partial[kSmallClasses];  // pfn + 1 of the first page with room, 0 = none; linked through its struct pages
    u64 objects[kSmallClasses];  // in use
    u64 pages;                   // taken from the page allocator
};

}  // namespace baton
