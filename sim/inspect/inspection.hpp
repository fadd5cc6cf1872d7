// SPDX-License-Identifier: GPL-2.0-only
// A handover, inspected: found or given, decoded, its users read, everything held against everything.
#pragma once

#include "sim/handover/audit.hpp"
#include "sim/inspect/source.hpp"

namespace baton::sim {

/// What a person says about the handover; what is left out is found or inferred.
struct InspectOptions {
    std::optional<PhysAddr> fdt;
    std::optional<PhysRange> scratch;  // of the array: address and length in bytes
    std::string generation;
    std::optional<u32> page_shift;
    bool contents = true;  // checksums of contents, where the contents are there
};

struct Inspection {
    Source source;
    u32 page_shift = 12;
    std::string found;  // how the addresses are known
    BootHandover boot;  // what is handed over
    Handover handover;
    HandoverUsers users;
    std::string generation;         // of the writer; empty: unknown
    std::string generation_reason;  // how that is known
    std::string cmdline;            // as it lies in memory
    std::vector<PhysRange> ram;     // of the source, or the dump's own ranges
    bool ram_known = false;
    std::vector<MetadataPiece> metadata;
    std::vector<Warning> warnings;  // all of them

    bool has_errors() const;
};

/// Throws InputError if nothing readable is there: no handover was found, or no root FDT where it should be.
Inspection inspect(Source source, const InspectOptions& options);

/// The part that only looks at memory, for a handover at known addresses; `warnings` gets all there are.
struct Examination {
    Handover handover;
    HandoverUsers users;
};
Examination examine(const BootHandover& boot, const DecodeOptions& decode, bool array_is_segment, bool contents,
                    const RamReader& read, std::vector<Warning>& warnings);

}  // namespace baton::sim
