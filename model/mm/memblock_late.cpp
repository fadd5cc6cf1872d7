// SPDX-License-Identifier: GPL-2.0-only
// Region arrays once the page allocator is up (specs/memblock.md §2.5): from there on they are its pages.
//
// Linux gives an outgrown array that came from memblock back to memblock, where after boot nobody finds it. Here its
// pages go to the page allocator.
#include <cstddef>

#include "model/mm/memblock_internal.hpp"
#include "model/mm/page_internal.hpp"

namespace baton::memblock::internal {
namespace {

Kernel& kernel_of(Memblock& mb) {
    const PhysAddr at = platform::virt_to_phys(&mb);
    Kernel& k = *ram::write<Kernel>(PhysAddr{at.value - offsetof(Kernel, memblock)});
    BATON_ASSERT(k.magic == kKernelMagic);
    return k;
}

}  // namespace

std::optional<PhysAddr> late_array(Memblock& mb, u64 bytes) {
    Kernel& k = kernel_of(mb);
    const auto pages = mm::alloc_run(k, div_round_up(bytes, geometry(k).page_size()), 0, AllocSite::kMemblockArray);
    if (!pages) return std::nullopt;
    return *pages;
}

void release_late_array(Memblock& mb, PhysRange array, bool from_page_allocator) {
    Kernel& k = kernel_of(mb);
    if (from_page_allocator)
        mm::free_run(k, array.start, array.size >> geometry(k).page_shift);
    else
        mm::free_reserved(k, array, Owner::kKernel);
}

}  // namespace baton::memblock::internal
