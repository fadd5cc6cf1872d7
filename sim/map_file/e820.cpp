// SPDX-License-Identifier: GPL-2.0-only
// e820: the lines that an x86-64 kernel prints of its firmware's map, somewhere in a dmesg, or a table of them.
//
//   [    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable       the end is inclusive
//   [mem 0x0-0x9fbff] usable                                                           likewise
//   0x0-0x9fbff usable                                                                 likewise
//   0x0 0x9fc00 ram                                                                    start and size
//
// dmesg prints the map after the kernel has made it disjoint, so entries that overlap are no firmware's.
#include <fmt/format.h>

#include "sim/map_file/forms.hpp"

namespace baton::sim::map_forms {
namespace {

inline constexpr std::string_view kMark = "BIOS-e820:";
inline constexpr std::string_view kHeading = "BIOS-provided physical RAM map:";
inline constexpr std::string_view kForms = "START SIZE TYPE, START-END TYPE or [mem START-END] TYPE";

// `number` and `col` are the place of `text` in the file.
MapLine parse(std::string_view text, const std::string& name, u32 number, u32 col) {
    LineReader line(text);
    const auto wrong = [&](const std::string& message, std::string hint) {
        throw InputError(name, number, col + line.col() - 1, message, std::move(hint));
    };
    line.skip_blanks();
    const u32 begins = col + line.col() - 1;
    const bool bracket = line.take("[mem ");
    line.skip_blanks();
    const auto start = line.take_hex(true);
    if (!start) wrong("there is no start address of 64 bits", std::string(kForms));
    line.skip_blanks();
    const bool inclusive = line.take("-");
    if (bracket && !inclusive) wrong("there is no '-' after the start", std::string(kForms));
    line.skip_blanks();
    const auto second = line.take_hex(true);
    if (!second) wrong(inclusive ? "there is no end of 64 bits" : "there is no size of 64 bits", std::string(kForms));
    if (inclusive && *second < *start) wrong(fmt::format("ends at {:#x}, before its start", *second), {});
    line.skip_blanks();
    if (bracket && !line.take("]")) wrong("there is no ']' after the end", std::string(kForms));
    line.skip_blanks();
    line.take(":");
    line.skip_blanks();
    const u32 type = memory_type_of(line.rest());
    if (type == 0)
        wrong(fmt::format("\"{}\" is no type of memory", trimmed(line.rest())),
              "usable, reserved, ACPI data, ACPI NVS, unusable, persistent (type 7), or type N");
    const u64 size = inclusive ? *second - *start + 1 : *second;
    return {number, begins, {{*start}, size, type, 0}};
}

}  // namespace

FirmwareMap read_e820(std::string_view text, const std::string& name) {
    const bool dmesg = text.find(kMark) != std::string_view::npos;
    std::vector<MapLine> found;
    u32 number = 0;
    for (std::string_view line : lines_of(text)) {
        ++number;
        u32 col = 1;
        if (dmesg) {
            if (line.find(kHeading) != std::string_view::npos) found.clear();  // several boots: the last counts
            const std::size_t at = line.find(kMark);
            if (at == std::string_view::npos) continue;
            col += static_cast<u32>(at + kMark.size());
            line.remove_prefix(at + kMark.size());
        } else {
            line = line.substr(0, line.find('#'));
            if (trimmed(line).empty()) continue;
        }
        found.push_back(parse(line, name, number, col));
    }
    FirmwareMap map{.name = name, .isa = Isa::kX86_64, .entries = {}, .reserved = {}, .device_tree = {}};
    map.entries = checked_entries(name, std::move(found));
    return map;
}

}  // namespace baton::sim::map_forms
