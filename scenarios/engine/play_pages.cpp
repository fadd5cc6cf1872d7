// SPDX-License-Identifier: GPL-2.0-only
// Steps on pages as the kernel manages them, and how regions follow when it moves them.
#include <fmt/format.h>

#include <cstring>

#include "model/bits.hpp"
#include "model/command.hpp"
#include "model/mm/vm_map.hpp"
#include "scenarios/engine/play.hpp"

namespace baton::scenarios {

// The kernel moved a folio and changed the mapping: userspace still has its memory.
void Play::follow(PhysAddr from, PhysAddr to) {
    for (Region& r : regions_) {
        if (r.reserve_mem || !r.held) continue;
        for (std::size_t b = 0; b < r.blocks.size(); ++b) {
            const Block block = r.blocks[b];
            if (!PhysRange{block.phys, block.pages * page_size()}.contains(from)) continue;
            if (r.kind != BlockKind::kPages) {
                if (block.phys == from) r.blocks[b].phys = to;
                continue;
            }
            cut_out(r, b, (from - block.phys) / page_size(), page_size());
            const std::size_t alone = from == block.phys ? b : b + 1;
            r.blocks[alone].phys = to;
            break;
        }
    }
}

std::optional<Reply> Play::pin_folio(PhysAddr at, std::vector<PhysAddr>& pinned) {
    const auto reply = send(Op::kPin, {at.value});
    if (reply) pinned.push_back({reply->values[0]});
    return reply;
}

// Of pages in a run, each is a folio. A call that fails half way holds no pins, as in Linux; what moved stays moved.
void Play::play(const step::Pin& a) {
    Region* r = region(a.region);
    if (r == nullptr) return;
    std::vector<PhysAddr> pinned;
    for (const PhysAddr folio : folios_of(*r)) {
        if (pin_folio(folio, pinned)) continue;
        if (dead_) return;
        for (const PhysAddr p : pinned) machine().command(Op::kUnpin, {p.value});
        return;
    }
    verified(fmt::format("{}: {} folios pinned", a.region, pinned.size()));
}

void Play::play(const step::Unpin& a) {
    Region* r = region(a.region);
    if (r == nullptr) return;
    for (const PhysAddr folio : folios_of(*r))
        if (!send(Op::kUnpin, {folio.value})) return;
}

std::vector<PhysAddr> Play::folios_of(const Region& r) const {
    std::vector<PhysAddr> folios;
    for (const Block& b : r.blocks)
        for (u64 i = 0; i < (r.kind == BlockKind::kFolio ? 1 : b.pages); ++i)
            folios.push_back(b.phys + i * page_size());
    return folios;
}

void Play::play(const step::MemoryBlock& a) {
    PhysAddr at = a.at.value_or(PhysAddr{});
    if (!a.at) {
        const Region* r = region(a.region);
        if (r == nullptr) return;
        at = align_down(r->original.at(0).phys, machine().geometry().section_bytes());
    }
    if (send(Op::kMemoryBlock, {static_cast<u64>(a.change), at.value, a.driver_managed ? u64{1} : u64{0}}))
        verified(fmt::format("{}: the memory block at {}", step_->name, hex(at)));
}

// What the kernel read must be what was filled in, page after page of the area, or else what RAM holds.
void Play::play(const step::VmallocRead& a) {
    const Region* r = region(a.region);
    if (r == nullptr) return;
    if (r->kind != BlockKind::kVmalloc) {
        finding(*step_, fmt::format("{} is no vmalloc area", r->name), "make one with do = \"vmalloc\"");
        return;
    }
    u64 wanted = 0;
    std::vector<u8> bytes(page_size());
    for (std::size_t i = 0; i < r->blocks.size(); ++i) {
        if (r->filled && i < r->original.size())
            expected_content(machine().config().seed, r->original[i].phys, *r, bytes);
        else
            machine().read(r->blocks[i].phys, bytes);
        for (std::size_t at = 0; at < bytes.size(); at += sizeof(u64)) {
            u64 word = 0;
            std::memcpy(&word, bytes.data() + at, sizeof(word));
            wanted = vm::add_to_sum(wanted, word);
        }
    }
    const u64 start = r->area_start;
    const u64 pages = r->blocks.size();
    const std::string name = r->name;
    const auto reply = send(Op::kVmallocSum, {start, pages});
    if (!reply) return;
    const bool same = reply->values[0] == wanted;
    if (same == a.differs)
        finding(*step_, fmt::format("{} reads {} through its address", name, same ? "right" : "wrong"),
                fmt::format("{} pages from page {} of the vmalloc range", pages, start));
    else
        verified(fmt::format("{}: {} pages read through their addresses {}", name, pages,
                             same ? "are right" : "differ, as expected"));
}

}  // namespace baton::scenarios
