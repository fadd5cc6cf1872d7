// SPDX-License-Identifier: GPL-2.0-only
// Writing and opening the trees of KHO (see fdt.hpp).
//
// A tree is written in one stretch, without a schedule point in between: libfdt keeps its state in the half-made tree,
// and nobody may see or touch that.
#include "model/kho/fdt.hpp"

#include <libfdt.h>

#include <algorithm>

#include "model/bits.hpp"
#include "model/kho/tree_writer.hpp"

namespace baton::kho {
namespace {

/// Names in the Kernel object as C strings, ended even if somebody wrote over the NUL.
template <std::size_t n>
struct Terminated {
    char text[n + 1] = {};
    explicit Terminated(const char (&name)[n]) { std::copy_n(name, n, text); }
};

}  // namespace

Result<u64> write_root_fdt(PhysAddr page, u64 page_size, const RootFdt& root) {
    TreeWriter w(page, page_size);
    w.begin("");
    w.string("compatible", root.compatible);
    w.value(kMapProperty, root.map.value);
    for (const KhoSubtree& subtree : root.subtrees) {
        w.begin(Terminated(subtree.name).text);
        w.value(root.subtree_property, subtree.blob.value);
        w.end();
    }
    w.end();
    return w.finish();
}

Result<u64> write_memblock_fdt(PhysAddr page, u64 page_size, std::span<const ReserveMemEntry> entries) {
    TreeWriter w(page, page_size);
    w.begin("");
    w.string("compatible", kMemblockCompatible);
    for (const ReserveMemEntry& entry : entries) {
        w.begin(Terminated(entry.name).text);
        w.string("compatible", kReserveMemCompatible);
        w.value("start", entry.start.value);
        w.value("size", entry.size);
        w.end();
    }
    w.end();
    return w.finish();
}

FdtView open_fdt(PhysAddr a, u64 capacity) {
    if (capacity < sizeof(fdt_header)) return {nullptr, -FDT_ERR_TRUNCATED};
    if (!is_aligned(a, 8)) return {nullptr, -FDT_ERR_ALIGNMENT};
    const u8* tree = ram::read<u8>(a, capacity);
    if (const int error = fdt_check_header(tree); error != 0) return {nullptr, error};
    const u64 bytes = fdt_totalsize(tree);
    if (bytes > capacity) return {nullptr, -FDT_ERR_TRUNCATED};
    platform::charge(Work::kFdtBytes, bytes);
    return {tree, 0};
}

FdtView open_incoming(const Kernel& k) {
    const KhoIncoming& in = k.kho.incoming;
    return open_fdt(in.fdt, std::min(in.fdt_size, geometry(k).page_size()));
}

const void* property_of_size(const void* tree, int node, const char* name, u64 bytes) {
    int length = 0;
    const void* payload = fdt_getprop(tree, node, name, &length);
    return payload != nullptr && static_cast<u64>(length) == bytes ? payload : nullptr;
}

}  // namespace baton::kho
