// SPDX-License-Identifier: GPL-2.0-only
// The root FDT that lives (7.0 and later): made once, then edited in its page (specs/kho.md §1.7, §2.1).
//
// An edit grows the tree to the page, changes it, and packs it again, in one stretch without a schedule point: the next
// kernel may need the tree at any moment. A child that is added comes before its older siblings. And what KHO itself
// hangs into the tree of 7.1: where this kernel came from.
#pragma once

#include "model/kernel.hpp"

namespace baton::kho {

namespace root_fdt {

/// A tree without children in k.kho.fdt, naming the radix root, or no tracker yet.
Status create(Kernel& k);
/// EEXIST; ENOMEM: the page is full.
Status add(Kernel& k, std::string_view name, const Blob& blob);
void remove(Kernel& k, PhysAddr blob);
/// `preserved-memory-map`.
void set_map(Kernel& k, PhysAddr map);

}  // namespace root_fdt

namespace kexec_metadata {

/// Preserves and adds the blob of §2.10, counting on from the incoming one. What the incoming one says is logged; one
/// that is too small or of another version is ignored with a warning. ENOMEM, EINVAL, EEXIST: nothing is left behind.
Status offer(Kernel& k);

}  // namespace kexec_metadata

}  // namespace baton::kho
