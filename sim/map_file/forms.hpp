// SPDX-License-Identifier: GPL-2.0-only
// The forms of a map, each in a file of its own, and the little that those made of text share.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "sim/map_file/map_file.hpp"

namespace baton::sim {
struct Capture;
}

namespace baton::sim::map_forms {

bool is_device_tree(std::span<const u8> bytes);
FirmwareMap read_device_tree(std::span<const u8> bytes, const std::string& name);

/// Whether a text is /proc/iomem: its first line that says anything is "start-end : owner".
bool is_iomem(std::string_view text);
FirmwareMap read_iomem(std::string_view text, const std::string& name);

/// dmesg, if a line has "BIOS-e820:"; else a table.
FirmwareMap read_e820(std::string_view text, const std::string& name);

/// What a capture's manifest says in `memory_map`.
FirmwareMap manifest_map(const Capture& capture, const std::string& name);

/// Reads a line from the left; every take is all or nothing.
class LineReader {
public:
    explicit LineReader(std::string_view line) : line_(line), rest_(line) {}
    void skip_blanks();
    bool take(std::string_view word);
    /// Hexadecimal with 0x, or without if `bare` allows it; nothing if no digit is there, or more than 64 bits.
    std::optional<u64> take_hex(bool bare);
    std::string_view rest() const { return rest_; }
    bool done() const { return rest_.empty(); }
    /// Column of what comes next, from 1.
    u32 col() const { return static_cast<u32>(line_.size() - rest_.size()) + 1; }

private:
    std::string_view line_;
    std::string_view rest_;
};

/// The lines of a text, without their ends.
std::vector<std::string_view> lines_of(std::string_view text);
std::string_view trimmed(std::string_view text);

}  // namespace baton::sim::map_forms
