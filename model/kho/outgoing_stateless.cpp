// SPDX-License-Identifier: GPL-2.0-only
// The outgoing side of 7.0 and 7.1: a root FDT that exists from kho_init on (specs/kho.md §1.7, §1.8, §3.4).
//
// The FDT page is preserved at once and edited in place whenever a subtree comes or goes; nothing is ever frozen. 7.0
// still keeps bitmaps, so what was preserved after the last finalise is silently not handed over (B64): finalise builds
// a chunk list anew, enters it in the FDT, and frees the one before. 7.1's FDT names the radix tree's root, which never
// changes, so there is no finalise.
#include "model/kho/chunks.hpp"
#include "model/kho/metadata.hpp"
#include "model/kho/outgoing.hpp"
#include "model/kho/root_fdt.hpp"

namespace baton::kho::outgoing {
namespace {

/// Undoes `prepare` after the tracker is there.
Status give_up(Kernel& k, Errno why) {
    const PhysRange fdt{k.kho.fdt, geometry(k).page_size()};
    if (fdt.start.value != 0) {
        const bool kept = tracker::clear(k, geometry(k).pfn_of(fdt.start), {0}) == tracker::Cleared::kYes;
        if (kept) platform::own(fdt, Owner::kPreserved, plain_owner(k, fdt));
        free_metadata_page(k, fdt.start);
        k.kho.fdt = {};
    }
    tracker::destroy(k);
    return fail(why);
}

Status prepare_live(Kernel& k) {
    if (const Status ready = tracker::init(k); !ready) return ready;
    const auto page = alloc_metadata_page(k, AllocSite::kKhoFdt);
    if (!page) return give_up(k, page.error());
    k.kho.fdt = *page;
    if (const Status kept = preserve_folio(k, k.kho.fdt); !kept) return give_up(k, kept.error());
    if (const Status made = root_fdt::create(k); !made) return give_up(k, made.error());
    if (!k.rules().kexec_metadata) return {};
    if (const Status told = kexec_metadata::offer(k); !told) return give_up(k, told.error());
    return {};
}

Status serialise_anew(Kernel& k) {
    platform::at(Site::kKhoFinaliseBegin, k.kho.fdt.value);
    const PhysAddr before = k.kho.first_chunk;
    k.kho.first_chunk = {};
    if (const Status done = chunks::serialise(k); !done) {
        chunks::free_list(k);
        k.kho.first_chunk = before;  // still what the FDT names
        return done;
    }
    const PhysAddr now = k.kho.first_chunk;
    root_fdt::set_map(k, now);
    k.kho.first_chunk = before;
    chunks::free_list(k);
    k.kho.first_chunk = now;
    k.kho.finalised = 1;
    platform::log(LogLevel::kInfo, Log::kKhoFinalised, now.value, k.kho.tracker.blocks);
    platform::at(Site::kKhoFinaliseEnd, k.kho.fdt.value, now.value);
    return {};
}

Status no_such_verb(Kernel&) { return fail(Errno::kEOPNOTSUPP); }

}  // namespace

constexpr Variant kSerialised = {prepare_live, serialise_anew, no_such_verb, root_fdt::add, root_fdt::remove};
constexpr Variant kLive = {prepare_live, no_such_verb, no_such_verb, root_fdt::add, root_fdt::remove};

}  // namespace baton::kho::outgoing
