// SPDX-License-Identifier: GPL-2.0-only
// How an outgoing handover comes about: the seam between the eras of KHO (specs/kho.md §1.2, §1.7, §1.8).
//
// One file a variant, chosen by Rules::outgoing in one function (outgoing.cpp):
//   outgoing_finalised.cpp   6.16, 6.18: finalise writes and freezes, abort takes back
//   outgoing_stateless.cpp   7.0 and 7.1: a root FDT edited in place; 7.0 still serialises its tracker on request
// What all share (is KHO on? is the name one?) is in outgoing.cpp.
#pragma once

#include "model/kernel.hpp"

namespace baton::kho::outgoing {

struct Variant {
    /// Everything the outgoing side needs, at kho_init. A failure leaves nothing behind.
    Status (*prepare)(Kernel&);
    Status (*finalise)(Kernel&);
    Status (*abort)(Kernel&);
    Status (*add_subtree)(Kernel&, std::string_view name, const Blob& blob);
    void (*remove_subtree)(Kernel&, PhysAddr blob);
};
extern const Variant kFinalised;
extern const Variant kSerialised;
extern const Variant kLive;

Status prepare(Kernel& k);

}  // namespace baton::kho::outgoing
