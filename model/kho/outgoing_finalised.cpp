// SPDX-License-Identifier: GPL-2.0-only
// The outgoing side of 6.16 … 6.18: finalise and abort (specs/kho.md §3.4).
//
// Finalise freezes what is preserved and makes it readable for the next kernel: the root FDT page is preserved itself,
// users add what they preserve at this moment, the tracker becomes a chunk list, and the FDT names its head. The FDT is
// written last, in one stretch, because a half-made one must not be exposed to schedule points; its bytes are those of
// writing the parts as they become known. Until then subtrees are a list in the Kernel object. Abort takes back what
// finalise did; these generations also dropped what others had preserved before it (B16).
#include <algorithm>

#include "model/kho/chunks.hpp"
#include "model/kho/fdt.hpp"
#include "model/kho/metadata.hpp"
#include "model/kho/outgoing.hpp"

namespace baton::kho::outgoing {
namespace {

std::string_view name_of(const KhoSubtree& subtree) {
    return {subtree.name, strnlen(subtree.name, sizeof subtree.name)};
}

Status prepare_page(Kernel& k) {
    const auto fdt = alloc_metadata_page(k, AllocSite::kKhoFdt);
    if (!fdt) return fail(fdt.error());
    k.kho.fdt = *fdt;
    return {};
}

Status write_fdt(Kernel& k) {
    const Rules& rules = k.rules();
    BATON_ASSERT(k.kho.subtree_count <= kSubtreesMax);
    const RootFdt root{.compatible = rules.compatible,
                       .subtree_property = rules.subtree_property,
                       .map = k.kho.first_chunk,
                       .subtrees = {k.kho.subtrees, k.kho.subtree_count}};
    const auto written = write_root_fdt(k.kho.fdt, geometry(k).page_size(), root);
    if (!written) return fail(written.error());
    return {};
}

Status build(Kernel& k) {
    if (const Status done = preserve_folio(k, k.kho.fdt); !done) return done;
    if (const Status done = reserve_mem::offer(k); !done) return done;
    if (const Status done = chunks::serialise(k); !done) return done;
    return write_fdt(k);
}

void give_back(const Kernel& k, const Block& block) {
    const PhysRange range{block.phys, geometry(k).bytes_of(block.order)};
    platform::own(range, Owner::kPreserved, plain_owner(k, range));
}

void drop_everything(Kernel& k) {
    tracker::for_each_block(k, [&k](const Block& block) { give_back(k, block); });
    tracker::destroy(k);
    BATON_ASSERT(k.kho.tracker.blocks == 0);
}

/// Undoes finalise, or as much of it as was done.
void take_back(Kernel& k) {
    platform::at(Site::kKhoAbort, k.kho.first_chunk.value);
    chunks::free_list(k);
    k.kho.finalised = 0;
    // B16: the whole tracker goes, with what others preserved long before.
    if (k.defect(Defect::kB16)) [[unlikely]] {
        drop_everything(k);
        reserve_mem::drop_blob(k);
    } else {
        reserve_mem::withdraw(k);
        const Block fdt{k.kho.fdt, {0}};
        const bool kept = tracker::clear(k, geometry(k).pfn_of(fdt.phys), fdt.order) == tracker::Cleared::kYes;
        if (kept) give_back(k, fdt);
    }
    platform::log(LogLevel::kInfo, Log::kKhoAborted);
    BATON_ASSERT(k.kho.first_chunk.value == 0);
}

Status freeze(Kernel& k) {
    if (k.kho.finalised != 0) return fail(Errno::kEEXIST);
    platform::at(Site::kKhoFinaliseBegin, k.kho.fdt.value);
    if (const Status built = build(k); !built) {
        take_back(k);
        return built;
    }
    k.kho.finalised = 1;
    platform::log(LogLevel::kInfo, Log::kKhoFinalised, k.kho.first_chunk.value, k.kho.tracker.blocks);
    platform::at(Site::kKhoFinaliseEnd, k.kho.fdt.value, k.kho.first_chunk.value);
    return {};
}

Status thaw(Kernel& k) {
    if (k.kho.finalised == 0) return fail(Errno::kENOENT);
    take_back(k);
    return {};
}

Status list_subtree(Kernel& k, std::string_view name, const Blob& blob) {
    KhoState& kho = k.kho;
    BATON_ASSERT(kho.subtree_count <= kSubtreesMax);
    for (u32 i = 0; i < kho.subtree_count; ++i)
        if (name_of(kho.subtrees[i]) == name) return fail(Errno::kEEXIST);
    if (name.size() >= sizeof(KhoSubtree::name) || kho.subtree_count == kSubtreesMax) return fail(Errno::kENOMEM);
    KhoSubtree& subtree = kho.subtrees[kho.subtree_count++];
    subtree = {.name = {}, .blob = blob.phys};
    std::copy(name.begin(), name.end(), subtree.name);
    return {};
}

void unlist_subtree(Kernel& k, PhysAddr blob) {
    KhoState& kho = k.kho;
    BATON_ASSERT(kho.subtree_count <= kSubtreesMax);
    for (u32 i = 0; i < kho.subtree_count; ++i) {
        if (kho.subtrees[i].blob != blob) continue;
        std::move(kho.subtrees + i + 1, kho.subtrees + kho.subtree_count, kho.subtrees + i);
        kho.subtrees[--kho.subtree_count] = {};
        return;
    }
}

}  // namespace

constexpr Variant kFinalised = {prepare_page, freeze, thaw, list_subtree, unlist_subtree};

}  // namespace baton::kho::outgoing
