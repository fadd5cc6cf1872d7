// SPDX-License-Identifier: GPL-2.0-only
// Steps that work on memory: regions, preservation, and the hand that breaks things.
#include <fmt/format.h>

#include <algorithm>

#include "model/kernel.hpp"
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/play.hpp"

namespace baton::scenarios {

Region* Play::region(std::string_view name) {
    const auto found = std::find_if(regions_.begin(), regions_.end(), [&](const Region& r) { return r.name == name; });
    if (found != regions_.end() && found->known) return &*found;
    const bool can_ask = found == regions_.end() && machine_ && machine().waiting();
    if (can_ask) {
        const sim::Outcome o = machine().observe(Op::kReserveMemFind, {}, name);
        if (o.kind == sim::Outcome::Kind::kReply && o.reply.error == 0) {
            Region r{.name = std::string(name), .kind = BlockKind::kPages, .reserve_mem = true};
            r.blocks = {{{o.reply.values[0]}, o.reply.values[1] / page_size()}};
            r.original = r.blocks;
            r.filled = r.captured = is_patterned(r);
            regions_.push_back(std::move(r));
            return &regions_.back();
        }
    }
    finding(*step_, fmt::format("the running kernel has no region {}", name),
            "no alloc step made it, and its reserve_mem= did not either");
    return nullptr;
}

void Play::play(const step::Alloc& a) {
    Region r{.name = a.region, .kind = a.kind};
    const bool folio = a.kind == BlockKind::kFolio;
    const u64 pages = folio ? a.order.pages() : a.pages;
    for (u64 i = 0; i < a.count; ++i) {
        const auto reply =
            send(Op::kAlloc, {static_cast<u64>(folio ? AllocKind::kFolio : AllocKind::kPages),
                              folio ? a.order.value : a.pages, a.node ? *a.node + u64{1} : 0,
                              (a.this_node ? u64{kWishThisNode} : 0) | (a.movable ? u64{kWishMovable} : 0)});
        if (!reply) break;
        r.blocks.push_back({{reply->values[0]}, pages});
    }
    r.original = r.blocks;
    if (!r.blocks.empty()) regions_.push_back(std::move(r));
}

void Play::read_area(Region& r) {
    r.blocks.clear();
    if (const auto area = ask(Query::kVmallocArea, r.slot)) r.area_start = area->values[0];
    for (u64 i = 0, pages = 1; i < pages; i += 5) {
        const auto reply = ask(Query::kVmallocPages, u64{r.slot} << 32 | i);
        if (!reply) return;
        pages = reply->values[0];
        for (u64 j = 0; j < 5 && i + j < pages; ++j) r.blocks.push_back({{reply->values[1 + j]}, 1});
    }
}

void Play::play(const step::Vmalloc& a) {
    const auto reply = send(Op::kVmallocAlloc, {a.pages, a.order.value});
    if (!reply) return;
    Region r{.name = a.region, .kind = BlockKind::kVmalloc, .slot = static_cast<u32>(reply->values[0])};
    read_area(r);
    r.original = r.blocks;
    regions_.push_back(std::move(r));
}

void Play::play(const step::Free& a) {
    Region* r = region(a.region);
    if (r == nullptr) return;
    if (r->kind == BlockKind::kVmalloc) {
        if (send(Op::kVmallocFree, {r->slot})) r->held = false;
        return;
    }
    const u64 kind = static_cast<u64>(r->kind == BlockKind::kFolio ? AllocKind::kFolio : AllocKind::kPages);
    std::vector<Block> kept;
    std::vector<Block> kept_from;
    for (std::size_t i = 0; i < r->blocks.size(); ++i) {
        const Block& b = r->blocks[i];
        if (i % a.every != 0) {
            kept.push_back(b);
            kept_from.push_back(i < r->original.size() ? r->original[i] : b);
        } else if (!send(Op::kFree, {kind, b.phys.value, b.pages})) {
            return;
        }
    }
    // A region that is free as a whole keeps its addresses: a scenario may ask what became of them.
    r->held = !kept.empty();
    if (kept.empty()) return;
    r->blocks = kept;
    r->original = kept_from;
}

void Play::play(const step::Fill& a) {
    Region* r = region(a.region);
    if (r == nullptr) return;
    r->original = r->blocks;
    if (const auto stranger = fill(machine(), *r)) {
        finding(*step_, fmt::format("userspace cannot write {}", a.region),
                fmt::format("its frames belong to: {}", *stranger));
        return;
    }
    r->filled = true;
    r->captured = false;
}

void Play::play_range(Verb verb, const Range& range) {
    constexpr Op kFolioOps[] = {Op::kPreserveFolio, Op::kUnpreserveFolio, Op::kRestoreFolio};
    constexpr Op kPageOps[] = {Op::kPreservePages, Op::kUnpreservePages, Op::kRestorePages};
    const auto i = static_cast<u32>(verb);
    if (range.at) {
        if (range.as.value_or(BlockKind::kFolio) == BlockKind::kFolio)
            send(kFolioOps[i], {range.at->value});
        else
            send(kPageOps[i], {range.at->value, range.pages.value_or(1)});
        return;
    }
    Region* r = region(range.region);
    if (r == nullptr) return;
    if (r->kind == BlockKind::kVmalloc && !range.as) return play_area(verb, range, *r);
    const BlockKind kind = range.as.value_or(r->kind);
    for (const Block& b : cut(*r, range, page_size())) {
        const auto reply =
            kind == BlockKind::kFolio ? send(kFolioOps[i], {b.phys.value}) : send(kPageOps[i], {b.phys.value, b.pages});
        if (!reply) return;
    }
    if (verb == Verb::kRestore) r->held = true;
}

// An area is handed over under its own name.
void Play::play_area(Verb verb, const Range& range, Region& r) {
    if (!range.whole()) {
        finding(*step_, fmt::format("{} is a vmalloc area, which is handed over as a whole", r.name),
                "leave first and pages out, or say as = \"pages\"");
        return;
    }
    if (verb != Verb::kRestore) {
        send(verb == Verb::kPreserve ? Op::kVmallocPreserve : Op::kVmallocUnpreserve, {r.slot}, r.name);
        return;
    }
    const auto reply = send(Op::kVmallocRestore, {}, r.name);
    if (!reply) return;
    r.slot = static_cast<u32>(reply->values[0]);
    r.held = true;
    read_area(r);
    if (r.blocks.size() == r.original.size()) return;
    finding(*step_, fmt::format("{} came back with {} pages", r.name, r.blocks.size()),
            fmt::format("{} were handed over", r.original.size()));
    r.original = r.blocks;
    r.filled = false;
}

void Play::play(const step::TestKhoSave& a) {
    const auto reply = send(Op::kTestKhoSave, {a.bytes_max});
    if (reply)
        verified(fmt::format("test_kho: {} folios, {}, checksum {:#010x}", reply->values[0],
                             size_text(reply->values[1]), reply->values[2]));
}

void Play::play(const step::TestKhoRestore&) {
    const auto reply = send(Op::kTestKhoRestore);
    if (reply)
        verified(fmt::format("test_kho: {} folios, {}, checksum {:#010x} as stated", reply->values[0],
                             size_text(reply->values[1]), reply->values[2]));
}

void Play::play(const step::Preserve& a) { play_range(Verb::kPreserve, a.range); }
void Play::play(const step::Unpreserve& a) { play_range(Verb::kUnpreserve, a.range); }
void Play::play(const step::Restore& a) { play_range(Verb::kRestore, a.range); }
void Play::play(const step::HostPoke& a) { poke(a.poke, resolve(a.poke.target)); }

// Places are meant as they are when the step begins: during an exec the kernel that knows them is gone.
void Play::schedule_pokes(const Step& step) {
    for (const ScheduledPoke& p : step.at) {
        const PhysRange where = resolve(p.poke.target);
        ahead_.push_back(&p);
        machine().add_action({p.when.site, p.when.nth}, [this, &p, where] {
            std::erase(ahead_, &p);
            poke(p.poke, where);
        });
    }
}

PhysRange Play::fullest_free_lists(const Kernel& k) {
    u64 most = 0;
    PhysRange at{};
    const auto look = [&](PhysAddr zones, const Zone(&all)[kZones]) {
        for (u32 i = 0; i < kZones; ++i) {
            if (all[i].free_pages <= most) continue;
            most = all[i].free_pages;
            at = {zones + i * sizeof(Zone) + offsetof(Zone, areas), sizeof(Zone::areas)};
        }
    };
    const PhysAddr object = k.image + k.header.kernel_offset;
    look(object + offsetof(Kernel, pages) + offsetof(PageAllocator, zones), k.pages.zones);
    for (const PhysAddr node : k.pages.nodes) {
        NodeData data{};
        if (node.value != 0 && machine().read(node, {reinterpret_cast<u8*>(&data), sizeof data}))
            look(node + offsetof(NodeData, zones), data.zones);
    }
    return at;
}

// The first word of the list that names a source; 0 if its first page has none.
PhysAddr Play::first_source(const Kimage& image) {
    const u64 mask = page_size() - 1;
    const PhysAddr list{image.head & ~mask};
    for (u64 i = 0; i < page_size() / sizeof(u64); ++i) {
        const u64 word = machine().memory().load<u64>(list + i * sizeof(u64)).value_or(kEntryDone);
        if ((word & kEntryFlags) == kEntrySource) return {word & ~mask};
        if ((word & (kEntryDone | kEntryIndirection)) != 0) break;
    }
    return {};
}

PhysRange Play::resolve(const PlaceName& place) {
    const Kernel* k = machine().kernel();
    if (place.kind == PlaceKind::kPhys) return {place.phys, 0};
    if (place.kind == PlaceKind::kMemoryTop) return {machine().memory().ranges().back().end() - kMiB, kMiB};
    if (place.kind == PlaceKind::kRegion) {
        const Region* r = region(place.region);
        return {r != nullptr && !r->blocks.empty() ? r->blocks[0].phys : PhysAddr{}, 0};
    }
    if (k == nullptr) return {};
    const Kimage& image = k->kexec.image;
    switch (place.kind) {
        case PlaceKind::kKhoFdt: return {k->kho.fdt, 0};
        case PlaceKind::kKhoScratchArray: return {k->kho.scratch, 0};
        case PlaceKind::kKhoFirstChunk: return {k->kho.first_chunk, 0};
        case PlaceKind::kKhoRadixRoot: return {k->kho.tracker.radix_root, 0};
        case PlaceKind::kKexecList: return {{image.head & ~(page_size() - 1)}, 0};
        case PlaceKind::kKexecSource: return {first_source(image), 0};
        case PlaceKind::kKexecControl: return {image.control_code_page, 0};
        case PlaceKind::kKexecRoot: return {image.root, 0};
        case PlaceKind::kSegment:
            if (place.segment >= std::min(image.segment_count, kKexecSegmentsMax)) return {};
            return {image.segments[place.segment].mem, image.segments[place.segment].memsz};
        case PlaceKind::kBootKhoFdt:
        case PlaceKind::kBootKhoScratch: return {next_boot_data(), 0};
        case PlaceKind::kKernelText: return {k->image + k->header.text_offset, k->header.text_size};
        case PlaceKind::kKernelPageTable: return {k->page_table, 0};
        case PlaceKind::kFreeLists: return fullest_free_lists(*k);
        default: return {};
    }
}

void Play::poke(const Poke& poke, PhysRange where) {
    const PlaceKind kind = poke.target.kind;
    PhysAddr base = where.start;
    const u64 room =
        std::min(where.size, kPokeRepeatedBytesMax) - std::min({poke.offset, where.size, kPokeRepeatedBytesMax});
    std::vector<u8> bytes;
    for (u64 left = poke.repeat != 0 ? poke.repeat : room / std::max<u64>(poke.bytes.size(), 1); left > 0; --left)
        bytes.insert(bytes.end(), poke.bytes.begin(), poke.bytes.end());
    if (base.value != 0 && (kind == PlaceKind::kBootKhoFdt || kind == PlaceKind::kBootKhoScratch)) {
        const auto boot = sim::read_boot_handover(machine().geometry().isa, base, machine().reader());
        base = !boot ? PhysAddr{} : kind == PlaceKind::kBootKhoFdt ? boot->fdt_field : boot->scratch_field;
    }
    PhysAddr at = base + poke.offset;
    bool inside = at >= base;
    if (kind == PlaceKind::kRegion) {
        // A region's blocks count as one run of bytes; a poke stays inside one block.
        const auto r = std::find_if(regions_.begin(), regions_.end(),
                                    [&](const Region& x) { return x.name == poke.target.region; });
        u64 skip = poke.offset;
        inside = false;
        for (const Block& b : r != regions_.end() ? r->blocks : std::vector<Block>{}) {
            const u64 block_bytes = b.pages * page_size();
            if (skip < block_bytes) {
                at = b.phys + skip;
                inside = bytes.size() <= block_bytes - skip;
                break;
            }
            skip -= block_bytes;
        }
    }
    if (base.value != 0 && !inside) {
        finding(poke.place, fmt::format("the poke does not lie inside one block of {}", to_text(poke.target)),
                fmt::format("offset {}, {} bytes", poke.offset, bytes.size()));
        return;
    }
    std::vector<u8> old(bytes.size());
    if (bytes.empty() || (base.value == 0 && kind != PlaceKind::kPhys) || !machine().read(at, old)) {
        finding(poke.place, fmt::format("there is nothing to poke at {}", to_text(poke.target)),
                "the place does not exist at this moment");
        return;
    }
    if (poke.exclusive_or)
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<u8>(bytes[i] ^ old[i]);
    machine().host_write(at, bytes);
    for (u64 f = at.value >> kFrameShift; f <= (at.value + bytes.size() - 1) >> kFrameShift; ++f) poked_.insert(f);
}

}  // namespace baton::scenarios
