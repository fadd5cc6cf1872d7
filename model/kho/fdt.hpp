// SPDX-License-Identifier: GPL-2.0-only
// Device trees of KHO: the root FDT and the `memblock` blob (specs/kho.md §2.1, §2.7), each in one page.
//
// Payloads are raw native bytes, 64-bit ones only 4-byte aligned. Writers use libfdt's sequential interface, whose
// layout is part of the golden bytes. A tree read from RAM was written by somebody else: it is walked only after its
// header says that it ends inside its page; libfdt then keeps all offsets inside the tree.
#pragma once

#include <optional>
#include <span>

#include "model/kernel.hpp"

namespace baton::kho {

struct RootFdt {
    const char* compatible;
    const char* subtree_property;
    PhysAddr map;  // first chunk or radix root; 0 = nothing serialised
    std::span<const KhoSubtree> subtrees;
};
/// Writes a root FDT into one page of RAM; its total size. ENOMEM when it does not fit.
Result<u64> write_root_fdt(PhysAddr page, u64 page_size, const RootFdt& root);
/// Writes the blob of reserve_mem; its total size. ENOMEM when it does not fit.
Result<u64> write_memblock_fdt(PhysAddr page, u64 page_size, std::span<const ReserveMemEntry> entries);

/// A tree that may be walked, or libfdt's code (negative) why not. Valid until the next schedule point.
struct FdtView {
    const void* tree = nullptr;
    int error = 0;
};
/// Checks the header of the tree at `a`, which must end within `capacity` bytes. Ends in page_fault outside RAM.
FdtView open_fdt(PhysAddr a, u64 capacity);
/// The root FDT this kernel was handed, checked again (a device may have written it since).
FdtView open_incoming(const Kernel& k);

/// The bytes of a property of exactly `bytes`; null for one of another size, or none.
const void* property_of_size(const void* tree, int node, const char* name, u64 bytes);
/// A property of exactly the size of T, in native order.
template <ram_resident T>
std::optional<T> property(const void* tree, int node, const char* name) {
    const void* payload = property_of_size(tree, node, name, sizeof(T));
    if (payload == nullptr) return {};
    T value;
    std::memcpy(&value, payload, sizeof value);
    return value;
}
inline std::optional<u64> u64_property(const void* tree, int node, const char* name) {
    return property<u64>(tree, node, name);
}

}  // namespace baton::kho
