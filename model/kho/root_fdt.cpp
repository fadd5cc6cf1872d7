// SPDX-License-Identifier: GPL-2.0-only
// Edits of the live root FDT (see root_fdt.hpp).
#include "model/kho/root_fdt.hpp"

#include <libfdt.h>

#include "model/kho/fdt.hpp"

namespace baton::kho::root_fdt {
namespace {

/// The page, grown for an edit; `pack` ends it.
u8* open(const Kernel& k) {
    const u64 page_size = geometry(k).page_size();
    u8* tree = ram::write<u8>(k.kho.fdt, page_size);
    BATON_ASSERT(fdt_open_into(tree, tree, static_cast<int>(page_size)) == 0);
    return tree;
}
void pack(u8* tree) {
    BATON_ASSERT(fdt_pack(tree) == 0);
    platform::charge(Work::kFdtBytes, fdt_totalsize(tree));
}

int set_number(u8* tree, int node, const char* name, u64 value) {
    return fdt_setprop(tree, node, name, &value, sizeof value);
}

/// libfdt's code.
int set_blob(const Rules& rules, u8* tree, int node, const Blob& blob) {
    const int error = set_number(tree, node, rules.subtree_property, blob.phys.value);
    if (error != 0 || rules.size_property == nullptr) return error;
    return set_number(tree, node, rules.size_property, blob.bytes);
}

Status add_to(const Kernel& k, u8* tree, std::string_view name, const Blob& blob) {
    const int node = fdt_add_subnode_namelen(tree, 0, name.data(), static_cast<int>(name.size()));
    if (node < 0) return fail(node == -FDT_ERR_EXISTS ? Errno::kEEXIST : Errno::kENOMEM);
    const int error = set_blob(k.rules(), tree, node, blob);
    if (error == 0) return {};
    // B20: the node stays, and the caller is told libfdt's code as if it were an errno.
    if (k.defect(Defect::kB20)) [[unlikely]]
        return fail(static_cast<Errno>(-error));
    BATON_ASSERT(fdt_del_node(tree, node) == 0);
    return fail(Errno::kENOMEM);
}

}  // namespace

Status create(Kernel& k) {
    const Rules& rules = k.rules();
    const RootFdt root{.compatible = rules.compatible,
                       .subtree_property = rules.subtree_property,
                       .map = k.kho.tracker.radix_root,
                       .subtrees = {}};
    const auto written = write_root_fdt(k.kho.fdt, geometry(k).page_size(), root);
    if (!written) return fail(written.error());
    return {};
}

Status add(Kernel& k, std::string_view name, const Blob& blob) {
    u8* tree = open(k);
    const Status added = add_to(k, tree, name, blob);
    pack(tree);
    return added;
}

void remove(Kernel& k, PhysAddr blob) {
    u8* tree = open(k);
    int node = 0;
    fdt_for_each_subnode(node, tree, 0) {
        platform::charge(Work::kListLinks, 1);
        if (u64_property(tree, node, k.rules().subtree_property) != blob.value) continue;
        BATON_ASSERT(fdt_del_node(tree, node) == 0);
        break;
    }
    pack(tree);
}

void set_map(Kernel& k, PhysAddr map) {
    u8* tree = ram::write<u8>(k.kho.fdt, geometry(k).page_size());
    const u64 value = map.value;
    BATON_ASSERT(fdt_setprop_inplace(tree, 0, kMapProperty, &value, sizeof value) == 0);
    platform::charge(Work::kFdtBytes, sizeof value);
}

}  // namespace baton::kho::root_fdt
