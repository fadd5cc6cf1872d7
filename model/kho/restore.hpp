// SPDX-License-Identifier: GPL-2.0-only
// The stamp that a preserved block carries between deserialise and restore (specs/kho.md §2.6), and the one restore
// that the kernel does for itself.
#pragma once

#include "model/kernel.hpp"

namespace baton::kho {

/// What the head page's `private` holds: the order below the magic, or, with B06, the order alone.
u64 stamp_of(const Kernel& k, Order order);

/// The page of the incoming root FDT becomes an ordinary allocated page (§3.9.4); a failure is only logged.
void restore_incoming_fdt(Kernel& k);

}  // namespace baton::kho
