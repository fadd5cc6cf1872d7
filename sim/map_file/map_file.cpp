// SPDX-License-Identifier: GPL-2.0-only
#include "sim/map_file/map_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "sim/capture/capture.hpp"
#include "sim/map_file/forms.hpp"

namespace baton::sim {
namespace {

namespace fs = std::filesystem;
using namespace map_forms;

inline constexpr u64 kFileBytesMax = 16 * kMiB;    // a dmesg may be long
inline constexpr u64 kPhysicalEnd = u64{1} << 52;  // of every CPU of both ISAs

struct TypeWords {
    std::string_view words;
    MemoryType type;
};
constexpr TypeWords kTypeWords[] = {
    // The first of a type is how we write it.
    {"ram", MemoryType::kRam},
    {"reserved", MemoryType::kReserved},
    {"acpi", MemoryType::kAcpi},
    {"nvs", MemoryType::kNvs},
    {"unusable", MemoryType::kUnusable},
    {"pmem", MemoryType::kPmem},
    // dmesg, /proc/iomem, /sys/firmware/memmap, GRUB
    {"usable", MemoryType::kRam},
    {"system ram", MemoryType::kRam},
    {"available ram", MemoryType::kRam},
    {"acpi data", MemoryType::kAcpi},
    {"acpi tables", MemoryType::kAcpi},
    {"acpi nvs", MemoryType::kNvs},
    {"acpi non-volatile storage", MemoryType::kNvs},
    {"unusable memory", MemoryType::kUnusable},
    {"persistent memory", MemoryType::kPmem},
    {"persistent (type 7)", MemoryType::kPmem},
};

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::optional<u32> number_at_end(std::string_view words) {
    u32 n = 0;
    const auto [end, error] = std::from_chars(words.data(), words.data() + words.size(), n);
    if (error != std::errc{} || end != words.data() + words.size()) return std::nullopt;
    return n;
}

std::string text_of(const MemoryMapEntry& e) {
    return fmt::format("[{:#x}-{:#x}] {}", e.start.value, e.start.value + e.size - 1, memory_type_name(e.type));
}

bool joins(const MemoryMapEntry& a, const MemoryMapEntry& b) {
    return a.start.value + a.size == b.start.value && a.type == b.type && a.nid == b.nid &&
           a.type != static_cast<u32>(MemoryType::kPmem);
}

std::vector<u8> read_bytes(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) throw InputError(path.string(), 0, 0, "there is no such file");
    // /proc/iomem is a regular file of size 0: it is read, not measured.
    if (!fs::is_regular_file(status)) throw InputError(path.string(), 0, 0, "is not a regular file");
    std::ifstream in(path, std::ios::binary);
    std::vector<u8> bytes;
    std::vector<char> piece(64 * kKiB);
    while (in && bytes.size() <= kFileBytesMax) {
        in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        bytes.insert(bytes.end(), piece.begin(), piece.begin() + in.gcount());
    }
    if (bytes.empty() && !in.eof()) throw InputError(path.string(), 0, 0, "cannot be read");
    if (bytes.size() > kFileBytesMax)
        throw InputError(path.string(), 0, 0, fmt::format("is longer than {} MiB", kFileBytesMax / kMiB),
                         "no memory map is");
    return bytes;
}

}  // namespace

std::string memory_type_name(u32 type) {
    for (const TypeWords& row : kTypeWords)
        if (static_cast<u32>(row.type) == type) return std::string(row.words);
    return fmt::format("type {}", type);
}

u32 memory_type_of(std::string_view words) {
    const std::string text = lower(trimmed(words));
    for (const TypeWords& row : kTypeWords)
        if (row.words == text) return static_cast<u32>(row.type);
    // Numbers, and what is written with one: "type 20", "persistent (type 12)".
    if (const auto n = number_at_end(text)) return *n;
    constexpr std::string_view kWord = "type ";
    const std::size_t at = text.find(kWord);
    if (at == std::string::npos) return text == "soft reserved" ? static_cast<u32>(MemoryType::kReserved) : 0;
    std::string_view digits = std::string_view(text).substr(at + kWord.size());
    if (digits.ends_with(')')) digits.remove_suffix(1);
    return number_at_end(digits).value_or(0);
}

std::vector<MemoryMapEntry> checked_entries(const std::string& name, std::vector<MapLine> lines) {
    for (const MapLine& l : lines) {
        const u64 start = l.entry.start.value;
        if (l.entry.size == 0) throw InputError(name, l.line, l.col, fmt::format("the entry at {:#x} is empty", start));
        // Up to the very last byte is no wrap, but above what any CPU addresses.
        if (l.entry.size - 1 > ~u64{0} - start)
            throw InputError(name, l.line, l.col,
                             fmt::format("{:#x} bytes from {:#x} wrap around", l.entry.size, start),
                             "an entry ends above its start");
        if (start >= kPhysicalEnd || l.entry.size > kPhysicalEnd - start)
            throw InputError(name, l.line, l.col, fmt::format("the entry at {:#x} ends above 52 bits", start),
                             "no CPU addresses that");
    }
    std::ranges::stable_sort(lines, {}, [](const MapLine& l) { return l.entry.start; });
    std::vector<MemoryMapEntry> out;
    const MapLine* last = nullptr;  // the line that reaches furthest
    for (const MapLine& l : lines) {
        if (last != nullptr && l.entry.start < last->entry.start + last->entry.size)
            throw InputError(
                name, std::max(l.line, last->line), l.line > last->line ? l.col : last->col,
                fmt::format("{} overlaps {}{}", text_of(l.entry), text_of(last->entry),
                            last->line == 0 ? "" : fmt::format(" of line {}", std::min(l.line, last->line))),
                "each byte belongs to one entry");
        if (!out.empty() && joins(out.back(), l.entry))
            out.back().size += l.entry.size;
        else
            out.push_back(l.entry);
        last = &l;
    }
    return out;
}

FirmwareMap parse_map(std::span<const u8> bytes, const std::string& name) {
    if (is_device_tree(bytes)) return read_device_tree(bytes, name);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    FirmwareMap map;
    if (const std::size_t at = text.find_first_not_of(" \t\r\n"); at == std::string_view::npos)
        throw InputError(name, 0, 0, "is empty");
    else if (text[at] == '{')
        map = manifest_map(parse_manifest(text, name), name);
    else if (is_iomem(text))
        map = read_iomem(text, name);
    else
        map = read_e820(text, name);
    const auto is_ram = [](const MemoryMapEntry& e) { return e.type == static_cast<u32>(MemoryType::kRam); };
    if (std::ranges::none_of(map.entries, is_ram)) throw InputError(name, 0, 0, "there is no RAM in this map");
    return map;
}

FirmwareMap read_map_file(const fs::path& path) {
    std::error_code error;
    if (!fs::is_directory(path, error)) return parse_map(read_bytes(path), path.string());
    const Capture capture = read_capture(path);
    // Of an AArch64 kernel the tree is what the next one was told.
    if (!capture.boot.dtb.empty()) return read_map_file(path / capture.boot.dtb);
    return manifest_map(capture, (path / kManifestName).string());
}

namespace map_forms {

void LineReader::skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

bool LineReader::take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
}

std::optional<u64> LineReader::take_hex(bool bare) {
    const bool marked = rest_.starts_with("0x") || rest_.starts_with("0X");
    if (!marked && !bare) return std::nullopt;
    const std::string_view digits = marked ? rest_.substr(2) : rest_;
    u64 value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{}) return std::nullopt;
    rest_ = digits.substr(static_cast<std::size_t>(end - digits.data()));
    return value;
}

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        lines.push_back(line);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace map_forms
}  // namespace baton::sim
