// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/page_rig.hpp"

#include "model/mm/page_internal.hpp"

namespace baton::test {
namespace {

using namespace mm::internal;

struct Audit {
    const Kernel& k;
    const Geometry& g;
    std::map<u64, u32> blocks;
    std::string problem;

    void say(const char* what, u64 pfn) {
        if (problem.empty()) problem = std::string(what) + " at pfn " + std::to_string(pfn);
    }

    void list(const Zone& z, u32 order, u32 type) {
        u64 previous = 0;
        u64 count = 0;
        for (u64 link = z.areas[order].head[type]; link != 0 && problem.empty(); ++count) {
            const Pfn p{link - 1};
            const Page page = load_page(k, p);
            if (!is_free_head(page) || page.private_data != order) say("not a free head of its order", p.value);
            if (page.prev != previous) say("broken back link", p.value);
            if (!is_aligned(p.value, Order{order}.pages())) say("misaligned block", p.value);
            if (p < z.start || p + Order{order}.pages() > z.end) say("block outside of its zone", p.value);
            if (&zone_of(const_cast<Kernel&>(k), p) != &z) say("block in a zone of another node", p.value);
            if (mm::node_of(k, p) != mm::node_of(k, p + (Order{order}.pages() - 1))) say("block on two nodes", p.value);
            for (u64 i = 0; i < Order{order}.pages(); i += pageblock_pages(g))
                if (static_cast<u32>(type_of(k, p + i)) != type) say("block on the wrong list", p.value);
            if (!blocks.emplace(p.value, order).second) say("block listed twice", p.value);
            previous = link;
            link = page.next;
        }
        if (count != z.areas[order].count[type]) say("wrong count of list of order", order);
    }

    void zone(const Zone& z) {
        const u64 before = pages();
        u64 cma = 0;
        for (u32 order = 0; order <= g.max_order; ++order) {
            for (u32 type = 0; type < kMigrateTypes; ++type) list(z, order, type);
            cma += z.areas[order].count[static_cast<u32>(MigrateType::kCma)] << order;
        }
        if (cma != z.cma_free_pages) say("wrong CMA count, first page of zone", z.start.value);
        const u64 listed = pages() - before;
        if (listed + z.untouched_sections * pages_per_section(g) != z.free_pages)
            say("wrong free count", z.start.value);
        if (z.free_pages > z.managed_pages) say("more free than managed", z.start.value);
    }

    void untouched() {
        for (u64 s = 0; s < k.pages.section_count; ++s) {
            const Pfn start{(k.pages.first_section + s) << (g.section_shift - g.page_shift)};
            const MemSection* section = section_of(k, start);
            if (section == nullptr || section->state != SectionState::kUntouched) continue;
            for (u64 i = 0; i < pages_per_section(g); i += Order{g.max_order}.pages())
                if (!blocks.emplace(start.value + i, g.max_order).second)
                    say("untouched block listed", start.value + i);
        }
    }

    void neighbours() {
        u64 end = 0;
        for (const auto& [pfn, order] : blocks) {
            if (pfn < end) say("overlapping blocks", pfn);
            end = pfn + Order{order}.pages();
            const auto buddy = blocks.find(pfn ^ Order{order}.pages());
            if (order == g.max_order || buddy == blocks.end() || buddy->second != order) continue;
            if (&zone_of(const_cast<Kernel&>(k), {pfn}) != &zone_of(const_cast<Kernel&>(k), {buddy->first})) continue;
            const bool cma = type_of(k, {pfn}) == MigrateType::kCma;
            if (cma == (type_of(k, {buddy->first}) == MigrateType::kCma)) say("unmerged buddies", pfn);
        }
    }

    u64 pages() const {
        u64 sum = 0;
        for (const auto& [pfn, order] : blocks) sum += Order{order}.pages();
        return sum;
    }
};

}  // namespace

void OwnedMachine::own(PhysRange range, Owner from, Owner to) {
    for (u64 f = range.start.value >> kFrameShift; f < (range.end().value + kFrameSize - 1) >> kFrameShift; ++f) {
        if (owners_[f] != from) ++wrong_owners;
        owners_[f] = to;
    }
}

PageRig::PageRig(GeometryId geometry, PhysRange ram, std::vector<PhysRange> reserved, u8 filler)
    : machine(geometry, ram), k(machine.kernel()), g(geometry_of(geometry)) {
    const PhysRange image{k.image, k.image_size};
    const u64 tail = ram.end().value - image.end().value;
    std::memset(machine.bytes(image.end()), filler, std::min<u64>(tail, 8 * kMiB));
    if (tail > 32 * kMiB) std::memset(machine.bytes(ram.end() - 16 * kMiB), filler, 16 * kMiB);
    memblock::add(k.memblock, ram).value();
    memblock::reserve_kern(k.memblock, image).value();
    for (const PhysRange& r : reserved) memblock::reserve(k.memblock, r).value();
    k.memblock.can_resize = 1;
}

std::string PageRig::audit(std::map<u64, u32>* free_blocks) const {
    Audit a{k, g, {}, {}};
    for (u32 node = 0; node < kNodesMax; ++node)
        if ((online_nodes(k) >> node & 1) != 0)
            for (u32 i = 0; i < kZones; ++i) a.zone(zone_at(k, node, i));
    a.untouched();
    a.neighbours();
    if (free_blocks != nullptr) *free_blocks = a.blocks;
    return a.problem;
}

}  // namespace baton::test
