// SPDX-License-Identifier: GPL-2.0-only
// Finalise and abort of 6.16 … 6.18 (specs/kho.md §3.4).
//
// Finalise freezes what is preserved and makes it readable for the next kernel: the root FDT page is preserved itself,
// users add what they preserve at this moment, the tracker becomes a chunk list, and the FDT names its head. The FDT is
// written last, in one stretch, because a half-made one must not be exposed to schedule points; its bytes are those of
// writing the parts as they become known. Any error, and abort, empties the tracker for everybody (B16).
#include "model/kho/chunks.hpp"
#include "model/kho/fdt.hpp"

namespace baton::kho {
namespace {

Status write_fdt(Kernel& k) {
    const Rules& rules = k.rules();
    BATON_ASSERT(k.kho.subtree_count <= kSubtreesMax);
    const RootFdt root{.compatible = rules.compatible,
                       .subtree_property = rules.subtree_property,
                       .first_chunk = k.kho.first_chunk,
                       .subtrees = {k.kho.subtrees, k.kho.subtree_count}};
    const auto written = write_root_fdt(k.kho.fdt, geometry(k).page_size(), root);
    if (!written) return fail(written.error());
    return {};
}

Status build(Kernel& k) {
    if (const Status done = preserve_folio(k, k.kho.fdt); !done) return done;
    if (const Status done = reserve_mem::preserve_all(k); !done) return done;
    if (const Status done = chunks::serialise(k); !done) return done;
    return write_fdt(k);
}

void give_back(const Kernel& k, const Block& block) {
    const PhysRange range{block.phys, geometry(k).bytes_of(block.order)};
    const Owner plain = plain_owner(k, range);
    if (plain != Owner::kPreserved) platform::own(range, Owner::kPreserved, plain);
}

void drop_everything(Kernel& k) {
    platform::at(Site::kKhoAbort, k.kho.first_chunk.value);
    chunks::free_list(k);
    tracker::for_each_block(k, [&k](const Block& block) { give_back(k, block); });
    tracker::destroy(k);
    reserve_mem::withdraw(k);
    k.kho.finalised = 0;
    platform::log(LogLevel::kInfo, Log::kKhoAborted);
    BATON_ASSERT(k.kho.tracker.blocks == 0 && k.kho.first_chunk.value == 0);
}

}  // namespace

Status finalise(Kernel& k) {
    if (k.kho.enabled == 0) return fail(Errno::kEOPNOTSUPP);
    if (k.kho.finalised != 0) return fail(Errno::kEEXIST);
    platform::at(Site::kKhoFinaliseBegin, k.kho.fdt.value);
    if (const Status built = build(k); !built) {
        drop_everything(k);
        return built;
    }
    k.kho.finalised = 1;
    platform::log(LogLevel::kInfo, Log::kKhoFinalised, k.kho.first_chunk.value, k.kho.tracker.blocks);
    platform::at(Site::kKhoFinaliseEnd, k.kho.fdt.value, k.kho.first_chunk.value);
    return {};
}

Status abort(Kernel& k) {
    if (k.kho.enabled == 0) return fail(Errno::kEOPNOTSUPP);
    if (k.kho.finalised == 0) return fail(Errno::kENOENT);
    drop_everything(k);
    return {};
}

Fill fill(const Kernel& k) {
    const KhoState& kho = k.kho;
    if (kho.enabled == 0 || (k.rules().fill_requires_finalised && kho.finalised == 0)) return {};
    return {kho.fdt, kho.scratch, kho.scratch_count * sizeof(ScratchArea)};
}

}  // namespace baton::kho
