// SPDX-License-Identifier: GPL-2.0-only
// The stamp that a preserved block carries between deserialise and restore (specs/kho.md §2.6), and the one restore
// that the kernel does for itself.
#pragma once

#include "model/kernel.hpp"

namespace baton::kho {

/// What the head page's `private` holds: the order, and the magic where the generation has one.
constexpr u64 stamp_of(const Rules& rules, Order order) {
    return (rules.stamp_magic ? u64{kPageMagic} << 32 : 0) | order.value;
}

/// The page of the incoming root FDT becomes an ordinary allocated page (§3.9.4); a failure is only logged.
void restore_incoming_fdt(Kernel& k);

}  // namespace baton::kho
