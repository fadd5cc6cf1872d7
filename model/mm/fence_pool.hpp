// SPDX-License-Identifier: GPL-2.0-only
// A pool of small objects on pages of their own, as KFENCE has one: every nth small allocation is served from it.
//
// What matters to a handover is where the pool lies: it is taken from memblock before the page allocator is up, and so,
// in a kernel that was handed over to, inside scratch. An object of the pool that the next kernel shall read is
// overwritten by the kexec (specs/kho.md B08). Only kernels with kOptionKfence have one.
//   pool: two guard pages, then for each object a page and a guard page. Objects begin or end with their page, in turn.
// An object's page stays reserved; its struct page holds bytes in use in `index` (0 = free) and the next free object +
// 1 in `private_data`. Guard pages are mapped: what strays into them hurts nobody, and is not reported.
#pragma once

#include <optional>
#include <string_view>

#include "model/types.hpp"

namespace baton {
struct Kernel;

inline constexpr u64 kFenceObjects = 255;
inline constexpr u64 kFencePoolPages = 2 * (kFenceObjects + 1);
inline constexpr u64 kFenceSampleDefault = 100;

struct FencePool {
    PhysAddr pool;   // kFencePoolPages pages; 0 = none
    u64 sample;      // every how many small allocations one is served; 0 = never
    u64 skipped;     // since the last one
    u64 first_free;  // object + 1, 0 = none
    u64 in_use;
};

namespace mm::fence {

/// Takes the pool from memblock (no memory: no pool, and a log line) if the kernel has the option; the memory map must
/// be there. `kfence.sample=N` on the command line says how often it serves, 0 never.
void init(Kernel& k, std::string_view command_line);
/// An object of at most a page, if it is this allocation's turn and one is free. Not cleared.
std::optional<PhysAddr> take(Kernel& k, u64 bytes);
bool holds(const Kernel& k, PhysAddr a);
/// False: `a` is no object of the pool that is in use.
bool give(Kernel& k, PhysAddr a);

}  // namespace mm::fence
}  // namespace baton
