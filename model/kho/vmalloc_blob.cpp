// SPDX-License-Identifier: GPL-2.0-only
// A vmalloc area with a name: a subtree whose blob is one page that begins with the descriptor (see vmalloc.hpp).
//
// What this kernel saved is found again through the table in the Kernel object; it is no part of the handover.
#include <algorithm>

#include "model/kho/vmalloc.hpp"

namespace baton::kho::vmalloc_blob {
namespace {

std::string_view name_of(const VmallocBlob& blob) { return {blob.name, strnlen(blob.name, sizeof blob.name)}; }

VmallocBlob* find(Kernel& k, std::string_view name) {
    for (VmallocBlob& blob : k.kho.vmalloc_blobs)
        if (blob.page.value != 0 && name_of(blob) == name) return &blob;
    return nullptr;
}
VmallocBlob* find_unused(Kernel& k) {
    for (VmallocBlob& blob : k.kho.vmalloc_blobs)
        if (blob.page.value == 0) return &blob;
    return nullptr;
}

/// The subtree and the page it names; on failure neither.
Status publish(Kernel& k, PhysAddr page, std::string_view name) {
    if (const Status kept = preserve_folio(k, page); !kept) return kept;
    const Status added = add_subtree(k, name, {page, sizeof(VmallocDescriptor)});
    if (!added && !unpreserve_folio(k, page)) BATON_WARN();
    return added;
}

}  // namespace

Status save(Kernel& k, u32 slot, std::string_view name) {
    VmallocBlob* blob = find_unused(k);
    if (blob == nullptr || name.size() >= sizeof blob->name) return fail(Errno::kENOSPC);
    const auto page = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kKhoVmallocBlob);
    if (!page) return fail(page.error());
    VmallocDescriptor descriptor{};
    Status result = preserve_vmalloc(k, slot, descriptor);
    if (result) {
        ram::store(*page, descriptor);
        result = publish(k, *page, name);
        if (!result && !unpreserve_vmalloc(k, descriptor)) BATON_WARN();
    }
    if (!result) {
        mm::free_pages(k, *page, {0});
        return result;
    }
    *blob = {.name = {}, .page = *page};
    std::copy(name.begin(), name.end(), blob->name);
    return {};
}

Status drop(Kernel& k, std::string_view name) {
    VmallocBlob* blob = find(k, name);
    if (blob == nullptr) return fail(Errno::kENOENT);
    if (const Status done = unpreserve_vmalloc(k, ram::load<VmallocDescriptor>(blob->page)); !done) return done;
    remove_subtree(k, blob->page);
    if (!unpreserve_folio(k, blob->page)) BATON_WARN();
    mm::free_pages(k, blob->page, {0});
    *blob = {};
    return {};
}

Result<u32> load(Kernel& k, std::string_view name) {
    const auto blob = retrieve_subtree(k, name);
    if (!blob) return fail(blob.error());
    const auto order = restore_folio(k, blob->phys);
    if (!order) return fail(order.error());
    const auto descriptor = ram::load<VmallocDescriptor>(blob->phys);
    mm::free_pages(k, blob->phys, *order);
    return restore_vmalloc(k, descriptor);
}

}  // namespace baton::kho::vmalloc_blob
