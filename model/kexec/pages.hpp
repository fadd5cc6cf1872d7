// SPDX-License-Identifier: GPL-2.0-only
// The pages an image owns (specs/kexec.md §3): source pages, control pages, and the chains that remember the rest.
//
// A chain is a list of single pages through Page::next, its head a word of the Kimage: (pfn + 1) << 1, 0 = end. Pages
// that wait for their turn are chained both ways.
#pragma once

#include <optional>

#include "model/kexec/kexec.hpp"
#include "model/mm/alloc_site.hpp"

namespace baton::kexec {

/// "No page in particular", as the wanted destination of a source page.
inline constexpr PhysAddr kNoDestination{~u64{0}};

bool is_destination(const Kimage& image, PhysRange r);

void chain_push(const Kernel& k, u64& chain, PhysAddr page);
std::optional<PhysAddr> chain_pop(const Kernel& k, u64& chain);
/// Frees every page of a chain, whose pages belong to `owner`.
void free_chain(Kernel& k, u64& chain, Owner owner);

/// Keeps a page until its turn as a source page comes.
void add_waiting(const Kernel& k, WaitingPages& waiting, PhysAddr page);
/// Takes `page` back; false if it does not wait. It charges the links that a search from the first one would follow.
bool take_waiting(const Kernel& k, WaitingPages& waiting, PhysAddr page);
void free_waiting(Kernel& k, WaitingPages& waiting);

/// One page of the kernel, marked reserved, owned by Owner::kKernel. Not cleared. ENOMEM.
Result<PhysAddr> take_page(Kernel& k, AllocSite site);
/// Gives a page of the image back. A page that is not allocated (the entry list was overwritten) is warned of and left.
void release_page(Kernel& k, PhysAddr page, Owner owner);

/// A page to hold what goes to `destination`: it is that page itself, or no segment's destination (§3.1). ENOMEM.
Result<PhysAddr> alloc_source_page(Kernel& k, Kimage& image, PhysAddr destination);
/// A page that no segment's destination touches, on the chain of control pages (§3.2). ENOMEM.
Result<PhysAddr> alloc_control_page(Kernel& k, Kimage& image);

}  // namespace baton::kexec
