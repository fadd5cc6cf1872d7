// SPDX-License-Identifier: GPL-2.0-only
// Subtrees of the incoming handover: how a subsystem finds its own data again, by name (specs/kho.md §2.1).
//
// The root FDT is read in place; nothing is consumed. The outgoing ones are in outgoing_*.cpp.
#include <libfdt.h>

#include "model/kho/fdt.hpp"

namespace baton::kho {
Result<Blob> retrieve_subtree(const Kernel& k, std::string_view name) {
    if (k.kho.is_kho_boot == 0) return fail(Errno::kENOENT);
    const FdtView view = open_incoming(k);
    if (view.error != 0) return fail(Errno::kENOENT);
    const int node = fdt_subnode_offset_namelen(view.tree, 0, name.data(), static_cast<int>(name.size()));
    if (node < 0) return fail(Errno::kENOENT);
    const Rules& rules = k.rules();
    const auto phys = u64_property(view.tree, node, rules.subtree_property);
    if (!phys) return fail(Errno::kEINVAL);
    if (rules.size_property == nullptr) return Blob{{*phys}, 0};
    const auto bytes = u64_property(view.tree, node, rules.size_property);
    if (!bytes) return fail(Errno::kEINVAL);
    return Blob{{*phys}, *bytes};
}

}  // namespace baton::kho
