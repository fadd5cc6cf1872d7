// SPDX-License-Identifier: GPL-2.0-only
// An inspection for people, for programs, and as a picture.
#pragma once

#include <string>
#include <string_view>

#include "sim/inspect/inspection.hpp"

namespace baton::sim {

/// Aligned text; `verbose` lists every block, every piece of metadata and the layout of every tree.
std::string inspection_text(const Inspection& inspection, bool verbose);

/// One JSON object, indented. First {generation, preserved: [[phys, order]…] ascending, scratch: [[addr, size]…],
/// subtrees: {name: phys}, reserve_mem: [[name, start, size]…], warnings: [{id, severity, address, text}…]}, then all
/// else. Addresses, and sizes beside them, are hex strings as in manifests.
std::string inspection_json(const Inspection& inspection);

/// A memory map to scale as SVG: all of RAM, and below it the parts where something is, each to its own scale.
std::string inspection_svg(const Inspection& inspection);

// Words that several outputs share.

/// "12 KiB", "2 MiB", "1.5 GiB", "133 B".
std::string size_words(u64 bytes);
/// "0x1f200000".
std::string hex_words(PhysAddr a);
std::string_view isa_words(Isa isa);
/// "low", "global", "node 0", …: what entry `index` of a scratch array is.
std::string scratch_words(u64 index);
/// What lies at a subtree's blob: "memblock-v1, 294 bytes", "73 bytes", "not in the source".
std::string blob_words(const Inspection& inspection, const HandoverSubtree& subtree);

}  // namespace baton::sim
