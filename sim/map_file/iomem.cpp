// SPDX-License-Identifier: GPL-2.0-only
// /proc/iomem: `start-end : owner`, hexadecimal without 0x, the end inclusive, two blanks of indentation a level.
//
// Only the top level is the firmware's: what is nested in System RAM is the kernel that printed it (its code, and on
// AArch64 every reservation of its memblock), which another kernel will not have. Devices are no memory. x86-64 splits
// RAM where a setup_data node lies, AArch64 where memblock flags change: touching pieces of one kind are one entry.
#include <fmt/format.h>

#include "sim/map_file/forms.hpp"

namespace baton::sim::map_forms {
namespace {

struct Line {
    bool top = false;
    u64 start = 0;
    u64 last = 0;
    std::string_view owner;
};

std::optional<Line> parse(std::string_view text) {
    LineReader line(text);
    Line out;
    line.skip_blanks();
    out.top = line.col() == 1;
    const auto start = line.take_hex(true);
    if (!start || !line.take("-")) return std::nullopt;
    const auto last = line.take_hex(true);
    if (!last || !line.take(" : ")) return std::nullopt;
    out.start = *start;
    out.last = *last;
    out.owner = trimmed(line.rest());
    return out;
}

}  // namespace

bool is_iomem(std::string_view text) {
    for (const std::string_view line : lines_of(text))
        if (const std::string_view words = trimmed(line); !words.empty() && !words.starts_with('#'))
            return parse(line).has_value();
    return false;
}

FirmwareMap read_iomem(std::string_view text, const std::string& name) {
    std::vector<MapLine> found;
    bool hidden = true;
    u32 number = 0;
    for (const std::string_view text_line : lines_of(text)) {
        ++number;
        if (trimmed(text_line).empty() || trimmed(text_line).starts_with('#')) continue;
        const auto line = parse(text_line);
        if (!line)
            throw InputError(name, number, 1, "is no line of /proc/iomem", "start-end : owner, as the kernel prints");
        hidden = hidden && line->start == 0 && line->last == 0;
        const u32 type = memory_type_of(line->owner);
        if (!line->top || type == 0 || (line->start == 0 && line->last == 0)) continue;
        if (line->last < line->start)
            throw InputError(name, number, 1, fmt::format("ends at {:#x}, before its start", line->last));
        found.push_back({number, 1, {{line->start}, line->last - line->start + 1, type, 0}});
    }
    if (hidden) throw InputError(name, 0, 0, "the kernel hides every address of this copy", "read /proc/iomem as root");
    FirmwareMap map{.name = name, .isa = {}, .entries = {}, .reserved = {}, .device_tree = {}};
    map.entries = checked_entries(name, std::move(found));
    return map;
}

}  // namespace baton::sim::map_forms
