// SPDX-License-Identifier: GPL-2.0-only
// The expect step: what must be true now, each key a check of its own against RAM or the running kernel.
#include <fmt/format.h>

#include <algorithm>

#include "model/kernel.hpp"
#include "scenarios/engine/play.hpp"

namespace baton::scenarios {
namespace {

std::string text_of(bool b) { return b ? "true" : "false"; }
std::string text_of(u64 n) { return fmt::format("{}", n); }
std::string text_of(Generation g) {
    for (const GenerationInfo& row : kGenerations)
        if (row.id == g) return std::string(row.name);
    return "unknown";
}

}  // namespace

template <class T>
void Play::expect_equal(const std::optional<T>& wanted, const T& got, std::string_view what) {
    if (!wanted) return;
    if (*wanted == got)
        verified(fmt::format("{} is {}", what, text_of(got)));
    else
        finding(*step_, fmt::format("{} is {}", what, text_of(got)), fmt::format("expected {}", text_of(*wanted)));
}

bool Play::logged(std::string_view text) const {
    return std::any_of(result_.log.begin() + static_cast<std::ptrdiff_t>(boot_log_start_), result_.log.end(),
                       [&](const LogLine& l) { return l.text.find(text) != std::string::npos; });
}

void Play::expect_log(const step::Expect& a) {
    collect_log();
    for (const std::string& text : a.log)
        if (logged(text))
            verified(fmt::format("log has \"{}\"", text));
        else
            finding(*step_, fmt::format("the kernel did not log \"{}\"", text));
    for (const std::string& text : a.no_log)
        if (!logged(text))
            verified(fmt::format("log does not have \"{}\"", text));
        else
            finding(*step_, fmt::format("the kernel logged \"{}\"", text));
}

void Play::expect_pages(const step::Expect& a, const Region& r) {
    const std::string who = r.name;
    for (const Block& b : r.blocks) {
        for (u64 i = 0; i < b.pages; ++i) {
            const auto state = ask(Query::kPageState, (b.phys + i * page_size()).value);
            if (!state) {
                finding(*step_, fmt::format("{}: {} has no struct page", who, hex(b.phys + i * page_size())));
                return;
            }
            const auto [refcount, order, flags, reserved_range] =
                std::tuple{state->values[0], state->values[1], state->values[2], state->values[3]};
            const std::string page = hex(b.phys + i * page_size());
            const auto flag = [&](const std::optional<bool>& wanted, bool got, std::string_view what) {
                if (!wanted || *wanted == got) return true;
                finding(*step_, fmt::format("{}: page {} is {}{}", who, page, got ? "" : "not ", what));
                return false;
            };
            if (!flag(a.reserved, (flags & kPageReserved) != 0 || reserved_range != 0, "reserved")) return;
            if (!flag(a.free, (flags & kPageFree) != 0, "free")) return;
            if (!flag(a.cma, (flags & kPageCma) != 0, "in CMA")) return;
            if (i == 0 && !flag(a.pinned, (flags & kPagePinned) != 0, "pinned")) return;
            if (i != 0 && !flag(a.tails, (flags & kPageTail) != 0, "a tail page")) return;
            if (i == 0 && a.order && a.order->value != order) {
                finding(*step_, fmt::format("{}: block {} has order {}", who, page, order),
                        fmt::format("expected {}", a.order->value));
                return;
            }
            if (i == 0 && a.refcount && *a.refcount != refcount) {
                finding(*step_, fmt::format("{}: block {} has refcount {}", who, page, static_cast<i64>(refcount)),
                        fmt::format("expected {}", *a.refcount));
                return;
            }
        }
    }
    if (a.reserved) verified(fmt::format("{}: {} pages are {}reserved", who, r.pages(), *a.reserved ? "" : "not "));
    if (a.free) verified(fmt::format("{}: {} pages are {}free", who, r.pages(), *a.free ? "" : "not "));
    if (a.cma) verified(fmt::format("{}: {} pages are {}in CMA", who, r.pages(), *a.cma ? "" : "not "));
    if (a.pinned) verified(fmt::format("{}: {} blocks are {}pinned", who, r.blocks.size(), *a.pinned ? "" : "not "));
    if (a.order) verified(fmt::format("{}: {} blocks have order {}", who, r.blocks.size(), a.order->value));
    if (a.tails) verified(fmt::format("{}: tail pages are {}", who, *a.tails ? "linked to their head" : "not linked"));
    if (a.refcount) verified(fmt::format("{}: refcount {} on every head", who, *a.refcount));
}

void Play::expect_region(const step::Expect& a) {
    if (a.region.empty()) return;
    const Region* r = region(a.region);
    if (r == nullptr) return;
    if (r->blocks.empty() || r->original.empty())
        return finding(*step_, fmt::format("{} has no pages", r->name), "the kernel says that it is empty");
    const std::string where =
        fmt::format("{}: {} at {}{}", r->name, size_text(r->pages() * page_size()), hex(r->blocks[0].phys),
                    r->blocks.size() > 1 ? fmt::format(" and {} more blocks", r->blocks.size() - 1) : "");
    if (a.same_address) {
        const bool same = r->blocks == r->original;
        if (same != *a.same_address)
            finding(*step_, fmt::format("{} is {} its first address", r->name, same ? "still at" : "not at"),
                    fmt::format("now {}, first {}", hex(r->blocks[0].phys), hex(r->original[0].phys)));
        else
            verified(fmt::format("{}, {}", where, same ? "where it was" : "moved, as expected"));
    }
    if (a.intact && !r->filled) {
        finding(*step_, fmt::format("{} was never filled", r->name), "a fill step gives it content to compare with");
    } else if (a.intact) {
        const auto d = first_difference(machine(), *r);
        if (d.has_value() == !*a.intact)
            verified(d ? fmt::format("{} changed at {}, as expected", r->name, hex(d->at))
                       : fmt::format("{} intact", where));
        else if (d)
            finding(*step_, fmt::format("{} is not intact", r->name),
                    fmt::format("byte {} is {:#04x}, was {:#04x}; its frame belongs to: {}", hex(d->at), d->is, d->was,
                                name(machine().ownership().at(d->at.value >> kFrameShift))));
        else
            finding(*step_, fmt::format("{} is intact", r->name), "expected a change");
    }
    if (a.reserved || a.free || a.order || a.tails || a.refcount || a.pinned || a.cma) expect_pages(a, *r);
    if (a.node) expect_node(a, *r);
    if (a.live) expect_live(*r, *a.live);
}

void Play::expect_image(const step::Expect& a) {
    const auto kernel = ask(Query::kKernel);
    if (!kernel) return;
    const PhysRange image{{kernel->values[0]}, kernel->values[1]};
    const std::string where = hex(image.start);
    expect_equal(a.image_moved, kernel->values[3] != kernel->values[0], fmt::format("image_moved ({})", where));
    if (!a.image_in_scratch) return;
    const auto kho = ask(Query::kKho);
    if (!kho) return;
    bool inside = false;
    for (u64 i = 0; i < kho->values[5]; ++i) {
        const auto area = ask(Query::kScratch, i);
        if (!area) return;
        inside |= PhysRange{{area->values[0]}, area->values[1]}.contains(image);
    }
    expect_equal(a.image_in_scratch, inside, fmt::format("image_in_scratch ({})", where));
}

void Play::expect_kernel(const step::Expect& a) {
    if (a.kho_boot || a.kho_enabled || a.finalised || a.scratch_count) {
        const auto s = ask(Query::kKho);
        if (!s) return;
        expect_equal(a.kho_enabled, s->values[0] != 0, "kho_enabled");
        expect_equal(a.kho_boot, s->values[1] != 0, "kho_boot");
        expect_equal(a.finalised, s->values[2] != 0, "finalised");
        expect_equal(a.scratch_count, s->values[5], "scratch_count");
    }
    if (a.preserved_blocks || a.preserved_pages) {
        const auto t = ask(Query::kTracker);
        if (!t) return;
        expect_equal(a.preserved_blocks, t->values[0], "preserved_blocks");
        expect_equal(a.preserved_pages, t->values[1], "preserved_pages");
    }
    if (a.incoming_blocks) {
        u64 n = 0;
        if (const auto& seen = machine().handover(); seen) n = seen->handover.blocks.size();
        expect_equal(a.incoming_blocks, n, "incoming_blocks");
    }
    if (!a.incoming_orders.empty()) {
        std::vector<u32> orders;
        if (const auto& seen = machine().handover(); seen)
            for (const sim::HandoverBlock& b : seen->handover.blocks) orders.push_back(b.order.value);
        const std::string got = fmt::format("{}", fmt::join(orders, " "));
        if (orders == a.incoming_orders)
            verified(fmt::format("incoming blocks have orders {}", got));
        else
            finding(*step_, fmt::format("incoming blocks have orders {}", got),
                    fmt::format("expected {}", fmt::join(a.incoming_orders, " ")));
    }
    expect_nodes(a);
    if (a.kexec_count) {
        const auto s = ask(Query::kKexecMetadata);
        if (s) expect_equal(a.kexec_count, s->values[0], "kexec_count");
    }
    if (a.offline_blocks || a.removed_blocks) {
        const auto s = ask(Query::kMemoryBlocks);
        if (!s) return;
        expect_equal(a.offline_blocks, s->values[1], "offline_blocks");
        expect_equal(a.removed_blocks, s->values[2], "removed_blocks");
    }
    if (a.generation) {
        const auto g = ask(Query::kKernel);
        if (g) expect_equal(a.generation, static_cast<Generation>(g->values[2]), "generation");
    }
    if (a.image_moved || a.image_in_scratch) expect_image(a);
    if (a.captured) expect_captured();
    if (a.swapped) expect_equal(a.swapped, machine().last_jump_swapped(), "swapped");
    if (a.initrd_intact) {
        const PhysRange at = machine().initrd();
        const std::vector<u8> wanted = initrd(running_initrd_bytes_);
        std::vector<u8> got(at.size == wanted.size() ? at.size : 0);
        const bool same =
            !wanted.empty() && got.size() == wanted.size() && machine().read(at.start, got) && got == wanted;
        expect_equal(a.initrd_intact, same, "initrd_intact");
    }
}

void Play::play(const step::Expect& a) {
    const bool needs_kernel = !a.region.empty() || a.kho_boot || a.kho_enabled || a.finalised || a.scratch_count ||
                              a.preserved_blocks || a.preserved_pages || a.generation || a.captured ||
                              a.initrd_intact || a.kexec_count || a.image_moved || a.image_in_scratch ||
                              a.offline_blocks || a.removed_blocks || asks_for_nodes(a);
    const bool content_only = !a.region.empty() && (a.intact || a.live) && !a.reserved && !a.free && !a.order &&
                              !a.tails && !a.refcount && !a.node && !a.pinned && !a.cma;
    if (needs_kernel && !content_only && (dead_ || !machine().waiting())) {
        finding(*step_, dead_ ? "no kernel is left to ask" : "a kernel at a break cannot be asked",
                "region with intact, log and no_log need no kernel");
        return;
    }
    expect_region(a);
    expect_device(a);
    expect_kernel(a);
    expect_log(a);
}

}  // namespace baton::scenarios
