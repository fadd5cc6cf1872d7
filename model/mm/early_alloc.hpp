// SPDX-License-Identifier: GPL-2.0-only
// memblock's allocator as boot code asks it: with a site, which can be told to fail (alloc_failure.hpp).
#pragma once

#include <optional>

#include "model/mm/alloc_site.hpp"
#include "model/mm/memblock.hpp"

namespace baton {
struct Kernel;

namespace mm {

/// As the arguments of memblock::alloc.
struct EarlyRequest {
    u64 size;
    u64 align;
    u64 min = 0;
    u64 max = kMemblockAccessible;
    NodeId nid = kNoNode;
    bool exact = false;
};

/// Reserved and not cleared; nothing when there is no room.
std::optional<PhysAddr> early_alloc(Kernel& k, AllocSite site, const EarlyRequest& request);
/// Reserved and cleared; a failure is a panic (kPanicEarlyAlloc).
PhysAddr early_alloc_or_panic(Kernel& k, AllocSite site, const EarlyRequest& request);
[[noreturn]] void early_alloc_panic(const Kernel& k, const EarlyRequest& request);

}  // namespace mm
}  // namespace baton
