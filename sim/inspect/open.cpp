// SPDX-License-Identifier: GPL-2.0-only
// Which kind of source a name means; raw dumps.
#include <fmt/format.h>

#include <charconv>
#include <filesystem>

#include "sim/input_error.hpp"
#include "sim/inspect/source.hpp"

namespace baton::sim {
namespace {

namespace fs = std::filesystem;

inline constexpr u64 kPartsMax = 4096;

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> out;
    for (u64 start = 0; start <= text.size();) {
        const u64 end = std::min(text.find(at, start), text.size());
        out.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return out;
}

bool begins_with(const FileBytes& file, std::string_view magic) {
    std::string head(magic.size(), '\0');
    return file.read(0, {reinterpret_cast<u8*>(head.data()), head.size()}) && head == magic;
}

}  // namespace

std::optional<RawPart> parse_raw_part(std::string_view text) {
    const auto at = text.rfind('@');
    if (at == std::string_view::npos || at == 0) return std::nullopt;
    std::string_view digits = text.substr(at + 1);
    const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
    if (hex) digits.remove_prefix(2);
    u64 base = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), base, hex ? 16 : 10);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return RawPart{std::string(text.substr(0, at)), {base}};
}

Source open_raw(const std::vector<RawPart>& parts) {
    Source out;
    out.kind = "raw dump";
    if (parts.size() > kPartsMax) throw InputError("", fmt::format("{} raw dumps", parts.size()), "fewer");
    for (const RawPart& p : parts) {
        out.name += fmt::format("{}{}@{:#x}", out.name.empty() ? "" : ",", p.file, p.base.value);
        const auto file = std::make_shared<FileBytes>(p.file);
        if (file->size() == 0) throw InputError(p.file, "is empty");
        if (p.base.value % 4096 != 0)
            throw InputError(p.file, fmt::format("its base {:#x} does not begin a page", p.base.value),
                             "the physical address of the file's first byte");
        if (p.base.value >= kPhysEnd || file->size() > kPhysEnd - p.base.value)
            throw InputError(p.file,
                             fmt::format("{:#x} bytes at {:#x} end above physical memory", file->size(), p.base.value));
        out.memory.add_file(p.base, file, 0, file->size());
    }
    if (const auto overlap = out.memory.seal())
        throw InputError(out.name,
                         fmt::format("[{:#x}, +{:#x}) and [{:#x}, +{:#x}) overlap", overlap->first.start.value,
                                     overlap->first.size, overlap->second.start.value, overlap->second.size),
                         "each byte of memory once");
    return out;
}

Source open_source(const std::string& what) {
    std::error_code error;
    const fs::path path(what);
    if (what.empty()) throw InputError("", "the source has no name", "a folder, a file, or FILE@BASE");
    if (fs::is_directory(path, error)) return open_capture(path);
    if (fs::exists(path, error)) {
        if (path.filename() == kManifestName)
            return open_capture(path.has_parent_path() ? path.parent_path() : fs::path("."));
        const FileBytes file(path);
        if (begins_with(file, "BATONSAV")) return open_saved_machine(path);
        if (begins_with(file,
                        "\x7f"
                        "ELF"))
            return open_elf(path);
        if (begins_with(file, "KDUMP   ") || begins_with(file, "makedumpfile"))
            throw InputError(what, "is in makedumpfile's own format", "makedumpfile -E writes ELF");
        throw InputError(what, "is neither a saved machine nor an ELF dump",
                         fmt::format("a raw dump needs its base: {}@0x…", what));
    }
    std::vector<RawPart> parts;
    for (std::string_view text : split(what, ',')) {
        const auto part = parse_raw_part(text);
        if (!part) throw InputError(what, "does not exist", "a folder, a file, or FILE@BASE[,FILE@BASE…]");
        parts.push_back(*part);
    }
    return open_raw(parts);
}

}  // namespace baton::sim
