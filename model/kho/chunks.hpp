// SPDX-License-Identifier: GPL-2.0-only
// The chunk list, v1's handover format of the tracker (specs/kho.md §2.2): writing, freeing, walking.
#pragma once

#include "model/kho/tracker.hpp"

namespace baton::kho::chunks {

/// Builds the list from the bitmaps; k.kho.first_chunk is its head, 0 when no order was ever used. ENOMEM (or EINVAL,
/// as alloc_metadata_page): what was built so far is in first_chunk, for `free_list`.
Status serialise(Kernel& k);
void free_list(Kernel& k);

/// tracker::walk along a list.
tracker::WalkResult walk(const Kernel& k, PhysAddr head, u64 chunks_max, const tracker::Visitor& visitor);

}  // namespace baton::kho::chunks
