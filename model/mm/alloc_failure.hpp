// SPDX-License-Identifier: GPL-2.0-only
// Allocations that fail because somebody asked for it: Linux's fail_page_alloc and failslab, by site and by count.
//
// Armed by Op::kFailAlloc, or before any command can arrive by `fail_alloc=SITE[#N][+]` on the command line: the Nth
// allocation (from 1, the default) at the site fails, with `+` every one from there on. SITE may be `any`.
#pragma once

#include <string_view>

#include "model/mm/alloc_site.hpp"

namespace baton {
struct Kernel;

struct AllocFailure {
    u32 site;  // AllocSite + 1; 0 = nothing is armed, kAnySite = each
    u32 lasting;
    u64 nth;     // the first to fail
    u64 seen;    // allocations at the site since it was armed
    u64 failed;  // of these, because of it
};
inline constexpr u32 kAnySite = ~u32{0};

namespace mm {

/// Whether the allocation that is being asked for at `site` must fail. Counts it.
bool must_fail(Kernel& k, AllocSite site);
/// `fail_alloc=` of the command line; the last good one counts, a bad one is logged.
void parse_early_options(Kernel& k, std::string_view command_line);

}  // namespace mm
}  // namespace baton
