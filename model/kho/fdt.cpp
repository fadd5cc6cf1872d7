// SPDX-License-Identifier: GPL-2.0-only
// Writing and opening the trees of KHO (see fdt.hpp).
//
// A tree is written in one stretch, without a schedule point in between: libfdt keeps its state in the half-made tree,
// and nobody may see or touch that.
#include "model/kho/fdt.hpp"

#include <libfdt.h>

#include <algorithm>

#include "model/bits.hpp"

namespace baton::kho {
namespace {

/// Threads one libfdt error through a sequence of calls: after the first failure nothing more is written.
class TreeWriter {
public:
    TreeWriter(PhysAddr page, u64 page_size) : tree_(ram::write<u8>(page, page_size)) {
        step(fdt_create(tree_, static_cast<int>(page_size)));
        if (error_ == 0) step(fdt_finish_reservemap(tree_));
    }
    void begin(const char* name) {
        if (error_ == 0) step(fdt_begin_node(tree_, name));
    }
    void string(const char* name, const char* value) {
        if (error_ == 0) step(fdt_property_string(tree_, name, value));
    }
    void number(const char* name, u64 value) {
        if (error_ == 0) step(fdt_property(tree_, name, &value, sizeof value));
    }
    void end() {
        if (error_ == 0) step(fdt_end_node(tree_));
    }
    Result<u64> finish() {
        if (error_ == 0) step(fdt_finish(tree_));
        if (error_ != 0) return fail(Errno::kENOMEM);
        const u64 bytes = fdt_totalsize(tree_);
        platform::charge(Work::kFdtBytes, bytes);
        return bytes;
    }

private:
    void step(int result) { error_ = result; }
    u8* tree_;
    int error_ = 0;
};

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
    w.number(kMapProperty, root.map.value);
    for (const KhoSubtree& subtree : root.subtrees) {
        w.begin(Terminated(subtree.name).text);
        w.number(root.subtree_property, subtree.blob.value);
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
        w.number("start", entry.start.value);
        w.number("size", entry.size);
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

std::optional<u64> u64_property(const void* tree, int node, const char* name) {
    int bytes = 0;
    const void* payload = fdt_getprop(tree, node, name, &bytes);
    if (payload == nullptr || bytes != sizeof(u64)) return {};
    u64 value = 0;
    std::memcpy(&value, payload, sizeof value);
    return value;
}

}  // namespace baton::kho
