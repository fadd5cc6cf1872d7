// SPDX-License-Identifier: GPL-2.0-only
// A page allocator under test: a bare machine whose RAM was full of garbage, and an audit of everything it keeps.
#pragma once

#include <map>
#include <vector>

#include "tests/support/bare_machine.hpp"

namespace baton::test {

/// A machine that also keeps who owns each page, and counts changes whose `from` was not true.
class OwnedMachine : public BareMachine {
public:
    OwnedMachine(GeometryId geometry, PhysRange ram)
        : BareMachine(geometry, ram), owners_((ram.end().value >> kFrameShift) + 1, Owner::kNobody) {}
    void own(PhysRange range, Owner from, Owner to) override;
    Owner owner_at(PhysAddr a) const { return owners_[a.value >> kFrameShift]; }
    u64 wrong_owners = 0;

private:
    std::vector<Owner> owners_;  // per 4 KiB frame
};

class PageRig {
public:
    /// RAM (all of it, or what a test can look at) holds `filler` everywhere but in the kernel image.
    explicit PageRig(GeometryId geometry, PhysRange ram, std::vector<PhysRange> reserved = {}, u8 filler = 0xa5);

    OwnedMachine machine;
    Kernel& k;
    const Geometry& g;

    /// init_memmap, whatever the test does between, free_all.
    void init() { mm::init_memmap(k); }
    void free_all() { mm::free_all(k); }
    void boot() {
        init();
        free_all();
    }
    u64 page() const { return g.page_size(); }
    u64 state(PhysAddr a) const { return mm::page_state_flags(k, a); }
    i32 refcount(PhysAddr a) const { return mm::page_refcount(*mm::page_of(k, a).get()); }
    /// Walks all free lists; what is wrong with them, empty if nothing is. `free_blocks` gets (pfn, order) of all
    /// blocks.
    std::string audit(std::map<u64, u32>* free_blocks = nullptr) const;
};

/// One small machine a geometry, where RAM is not a multiple of anything big.
struct TestGeometry {
    GeometryId id;
    PhysRange ram;
};
inline constexpr TestGeometry kTestGeometries[] = {
    {GeometryId::kX86_64, {{0x1000}, 300 * kMiB + 0x5000}},
    {GeometryId::kAArch64_4K, {{kGiB}, 264 * kMiB}},
    {GeometryId::kAArch64_16K, {{kGiB}, 450 * kMiB}},
    {GeometryId::kAArch64_64K, {{kGiB}, 1300 * kMiB}},
};

}  // namespace baton::test
