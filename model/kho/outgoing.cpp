// SPDX-License-Identifier: GPL-2.0-only
// The outgoing side's face: the choice of variant, and what does not differ (see outgoing.hpp).
#include "model/kho/outgoing.hpp"

namespace baton::kho {
namespace {

const outgoing::Variant& variant(const Kernel& k) {
    switch (k.rules().outgoing) {
        case OutgoingKind::kFinalised: return outgoing::kFinalised;
        case OutgoingKind::kSerialised: return outgoing::kSerialised;
        case OutgoingKind::kLive: return outgoing::kLive;
    }
    return outgoing::kFinalised;
}

}  // namespace

Status outgoing::prepare(Kernel& k) { return variant(k).prepare(k); }

Status finalise(Kernel& k) {
    if (k.kho.enabled == 0) return fail(Errno::kEOPNOTSUPP);
    return variant(k).finalise(k);
}

Status abort(Kernel& k) {
    if (k.kho.enabled == 0) return fail(Errno::kEOPNOTSUPP);
    return variant(k).abort(k);
}

Status add_subtree(Kernel& k, std::string_view name, const Blob& blob) {
    if (k.kho.enabled == 0) return fail(Errno::kEOPNOTSUPP);
    if (k.kho.finalised != 0 && k.rules().preserve_busy_after_finalise) return fail(Errno::kEBUSY);
    if (name.empty() || name.find('/') != name.npos || name.find('\0') != name.npos) return fail(Errno::kEINVAL);
    return variant(k).add_subtree(k, name, blob);
}

void remove_subtree(Kernel& k, PhysAddr blob) {
    if (k.kho.enabled != 0) variant(k).remove_subtree(k, blob);
}

Fill fill(const Kernel& k) {
    const KhoState& kho = k.kho;
    if (kho.enabled == 0) return {};
    if (k.rules().fill_requires_finalised && kho.finalised == 0) {
        // B07: the question was whether KHO is on. The next kernel finds whatever the page holds, and rejects it.
        if (!k.defect(Defect::kB07)) [[likely]]
            return {};
    }
    return {kho.fdt, kho.scratch, kho.scratch_count * sizeof(ScratchArea)};
}

}  // namespace baton::kho
