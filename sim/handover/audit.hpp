// SPDX-License-Identifier: GPL-2.0-only
// Does it all fit together? Blocks against each other, against scratch and RAM; metadata against all of them
// (specs/kho.md §0, §8). Cost: a few sorts.
#pragma once

#include "sim/handover/users.hpp"

namespace baton::sim {

struct MetadataPiece {
    std::string what;  // "chunk", "bitmap", "radix node", "root FDT", "subtree NAME", "vmalloc chunk", …
    PhysRange range;
    bool operator==(const MetadataPiece&) const = default;
};

/// Where the metadata lies, in the order in which it was met. Whole pages for what a kernel allocates as pages.
std::vector<MetadataPiece> metadata_of(const Handover& handover, const HandoverUsers& users, u32 page_shift);

/// The blocks as covered memory.
Coverage coverage_of(const std::vector<HandoverBlock>& blocks, u32 page_shift);

struct AuditInput {
    const Handover& handover;
    const HandoverUsers& users;
    const Coverage& preserved;
    u32 page_shift;
    std::span<const PhysRange> ram;  // empty: not known, nothing is outside it
    bool array_is_segment = true;    // the scratch array was put into scratch by kexec
};
void audit_handover(const AuditInput& input, WarningSink& warnings);

}  // namespace baton::sim
