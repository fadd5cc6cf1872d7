// SPDX-License-Identifier: GPL-2.0-only
// Handing over a vmalloc area (specs/kho.md §2.5, §3.2, §3.10): a descriptor, and chunk pages that name its runs.
//
// The descriptor is 16 bytes that the owner embeds in a blob of its own. A chunk page names up to page_size/8 - 1 runs,
// each preserved as a run of pages; a chunk is itself a preserved page. When the last slot of a chunk is written the
// next chunk follows at once, so a count that fills chunks exactly leaves an empty one at the end.
#pragma once

#include "model/kernel.hpp"

namespace baton::kho {

/// Preserves every run of an area. EINVAL: no area, or its pages are not runs of its order; EOPNOTSUPP: KHO is off, the
/// generation has no vmalloc, or the area is of another kind than VM_ALLOC, perhaps with huge mappings; ENOMEM, EBUSY.
/// An error leaves nothing preserved.
Status preserve_vmalloc(Kernel& k, u32 slot, VmallocDescriptor& descriptor);
/// Undoes it, and frees the chunk pages.
Status unpreserve_vmalloc(Kernel& k, const VmallocDescriptor& descriptor);
/// Takes the pages over into a new area; its slot. EINVAL: unknown flags, an impossible order, a page that was not
/// preserved, or a count that is not the descriptor's; ENOMEM, ENOSPC, EOPNOTSUPP. On failure pages that were restored
/// already stay allocated and belong to nobody.
Result<u32> restore_vmalloc(Kernel& k, const VmallocDescriptor& descriptor);

/// The smallest user of all this: an area whose blob is a page with nothing but the descriptor, found under `name`.
namespace vmalloc_blob {

/// Errors of preserve_vmalloc and add_subtree; an error leaves nothing behind.
Status save(Kernel& k, u32 slot, std::string_view name);
/// Takes it back: ENOENT when this kernel saved nothing under that name; EBUSY, EOPNOTSUPP.
Status drop(Kernel& k, std::string_view name);
/// Restores what was handed over under `name`, and frees the blob; the slot. Errors of retrieve_subtree, restore_folio
/// and restore_vmalloc.
Result<u32> load(Kernel& k, std::string_view name);

}  // namespace vmalloc_blob
}  // namespace baton::kho
