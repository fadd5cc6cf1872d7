// SPDX-License-Identifier: GPL-2.0-only
// Subtrees: how a subsystem finds its own data again, by name (specs/kho.md §2.1).
//
// Outgoing, the list is kept in the Kernel object and written at finalise, in order of addition. Incoming, the root FDT
// is read in place; nothing is consumed.
#include <libfdt.h>

#include <algorithm>

#include "model/kho/fdt.hpp"

namespace baton::kho {
namespace {

std::string_view name_of(const KhoSubtree& subtree) {
    return {subtree.name, strnlen(subtree.name, sizeof subtree.name)};
}

}  // namespace

Status add_subtree(Kernel& k, std::string_view name, PhysAddr blob) {
    KhoState& kho = k.kho;
    if (kho.enabled == 0) return fail(Errno::kEOPNOTSUPP);
    if (kho.finalised != 0) return fail(Errno::kEBUSY);
    if (name.empty() || name.find('/') != name.npos || name.find('\0') != name.npos) return fail(Errno::kEINVAL);
    BATON_ASSERT(kho.subtree_count <= kSubtreesMax);
    for (u32 i = 0; i < kho.subtree_count; ++i)
        if (name_of(kho.subtrees[i]) == name) return fail(Errno::kEEXIST);
    if (name.size() >= sizeof(KhoSubtree::name) || kho.subtree_count == kSubtreesMax) return fail(Errno::kENOMEM);
    KhoSubtree& subtree = kho.subtrees[kho.subtree_count++];
    subtree = {.name = {}, .blob = blob};
    std::copy(name.begin(), name.end(), subtree.name);
    return {};
}

void remove_subtree(Kernel& k, PhysAddr blob) {
    KhoState& kho = k.kho;
    BATON_ASSERT(kho.subtree_count <= kSubtreesMax);
    for (u32 i = 0; i < kho.subtree_count; ++i) {
        if (kho.subtrees[i].blob != blob) continue;
        std::move(kho.subtrees + i + 1, kho.subtrees + kho.subtree_count, kho.subtrees + i);
        kho.subtrees[--kho.subtree_count] = {};
        return;
    }
}

Result<PhysAddr> retrieve_subtree(const Kernel& k, std::string_view name) {
    if (k.kho.is_kho_boot == 0) return fail(Errno::kENOENT);
    const FdtView view = open_incoming(k);
    if (view.error != 0) return fail(Errno::kENOENT);
    const int node = fdt_subnode_offset_namelen(view.tree, 0, name.data(), static_cast<int>(name.size()));
    if (node < 0) return fail(Errno::kENOENT);
    const auto blob = u64_property(view.tree, node, k.rules().subtree_property);
    if (!blob) return fail(Errno::kEINVAL);
    return PhysAddr{*blob};
}

}  // namespace baton::kho
