// SPDX-License-Identifier: GPL-2.0-only
// A machine's memory map from what a person has at hand (docs/captures.md, "Describe a machine"):
//
//   /proc/iomem          both ISAs: top-level "System RAM" and reserved kinds; nested lines are the running kernel's
//   an e820 listing      dmesg's "BIOS-e820: [mem 0x…-0x…] usable" lines among others, or a plain table, one
//                        `START SIZE TYPE`, `START-END TYPE` or `[mem START-END] TYPE` a line ('#' begins a comment)
//   a flattened tree     memory nodes with any cell widths, /memreserve/, /reserved-memory
//   a capture            its folder (AArch64: the device tree in it counts) or its manifest.json: `memory_map`
//
// The form is recognised by content. What makes no sense is an InputError that names the place; nothing is guessed.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/memory_map.hpp"

namespace baton::sim {

/// Throws InputError.
FirmwareMap read_map_file(const std::filesystem::path& path);
/// The same for bytes in memory; `name` stands for the file.
FirmwareMap parse_map(std::span<const u8> bytes, const std::string& name);

/// "ram", "reserved", …: how manifests and scenarios write a type; "type 12" for one without a name.
std::string memory_type_name(u32 type);
/// The type that a listing's words mean ("usable", "ACPI NVS", "type 7", "2", …); 0 = none.
u32 memory_type_of(std::string_view words);

/// One line of a map before it is one: where it stands, and what it says.
struct MapLine {
    u32 line = 0;
    u32 col = 1;
    MemoryMapEntry entry{};  // size 0 is an error; start + size may wrap, which is another
};

/// Sorted, joined, and checked for everything that no firmware says: empty entries, entries that wrap or end above 52
/// bits, overlaps. Throws InputError with the place of the line.
std::vector<MemoryMapEntry> checked_entries(const std::string& name, std::vector<MapLine> lines);

}  // namespace baton::sim
