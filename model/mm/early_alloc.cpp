// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/early_alloc.hpp"

#include "model/kernel.hpp"

namespace baton::mm {

std::optional<PhysAddr> early_alloc(Kernel& k, AllocSite site, const EarlyRequest& r) {
    if (must_fail(k, site)) return std::nullopt;
    return memblock::alloc(k.memblock, r.size, r.align, r.min, r.max, r.nid, r.exact);
}

PhysAddr early_alloc_or_panic(Kernel& k, AllocSite site, const EarlyRequest& r) {
    if (must_fail(k, site)) early_alloc_panic(k, r);
    return memblock::alloc_or_panic(k.memblock, r.size, r.align, r.min, r.max, r.nid);
}

void early_alloc_panic(const Kernel& k, const EarlyRequest& r) {
    platform::panic(Log::kPanicEarlyAlloc, r.size, r.align, k.memblock.scratch_only);
}

}  // namespace baton::mm
