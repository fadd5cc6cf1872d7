// SPDX-License-Identifier: GPL-2.0-only
// The files of a capture: the manifest's text, and that the rest is there.
#include "sim/capture/capture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "sim/capture/json_tree.hpp"
#include "sim/input_error.hpp"

namespace baton::sim {
namespace {

namespace fs = std::filesystem;

inline constexpr char kRegistersName[] = "entry_regs.hex";
inline constexpr u64 kRegisterFileMax = 64 * kKiB;

std::string read_text(const fs::path& path, u64 bytes_max) {
    std::error_code error;
    const u64 size = fs::file_size(path, error);
    if (error) throw InputError(path.string(), fmt::format("cannot be read: {}", error.message()));
    if (size > bytes_max) throw InputError(path.string(), fmt::format("has {} bytes, at most {}", size, bytes_max));
    std::ifstream in(path, std::ios::binary);
    if (!in) throw InputError(path.string(), fmt::format("cannot be read: {}", std::strerror(errno)));
    return {std::istreambuf_iterator<char>(in), {}};
}

/// `path` without links, if that is below `folder` (which has none).
bool below(const fs::path& folder, const fs::path& path) {
    const auto [end, rest] = std::ranges::mismatch(folder, path);
    return end == folder.end();
}

void check_file(const fs::path& manifest, const fs::path& root, const std::string& name, const fs::path& path,
                std::optional<u64> size) {
    std::error_code error;
    const fs::path real = fs::canonical(path, error);
    if (error)
        throw InputError(manifest.string(), fmt::format("\"{}\" cannot be read: {}", name, error.message()),
                         "the files that the manifest names lie beside it");
    if (!below(root, real))
        throw InputError(manifest.string(), fmt::format("\"{}\" is a link out of the capture", name));
    if (!fs::is_regular_file(real, error))
        throw InputError(manifest.string(), fmt::format("\"{}\" is not a file", name));
    const u64 bytes = fs::file_size(real, error);
    if (size && bytes != *size)
        throw InputError(path.string(), fmt::format("has {} bytes, the manifest says {}", bytes, *size));
}

/// Registers in the order of gdb's g-packet, 16 hex digits a 64-bit one, bytes in memory order (specs/boot.md §7).
void read_registers(Capture& out) {
    const fs::path path = out.folder / kRegistersName;
    std::error_code error;
    if (!fs::exists(path, error)) return;
    const std::string hex = read_text(path, kRegisterFileMax);
    const auto word = [&](u64 index) -> std::optional<PhysAddr> {
        u64 value = 0;
        for (u64 i = 0; i < 16; ++i) {
            const u64 at = index * 16 + i;
            const char c = at < hex.size() ? hex[at] : '?';
            const std::string_view digits = "0123456789abcdef";
            const auto digit = digits.find(c);
            if (digit == std::string_view::npos) return std::nullopt;
            value |= static_cast<u64>(digit) << ((i / 2) * 8 + (i % 2 == 0 ? 4 : 0));
        }
        return PhysAddr{value};
    };
    const bool x86 = out.isa == Isa::kX86_64;
    out.entry = word(x86 ? 16 : 32);   // rip; pc
    out.argument = word(x86 ? 4 : 0);  // rsi; x0
    if (!out.entry || !out.argument)
        throw InputError(path.string(), "is no register dump", "hex digits as in gdb's g-packet, lower case");
}

}  // namespace

bool is_capture(const fs::path& folder) {
    std::error_code error;
    return fs::is_regular_file(folder / kManifestName, error);
}

Capture read_capture(const fs::path& folder) {
    std::error_code error;
    const fs::path manifest = folder / kManifestName;
    if (!fs::is_directory(folder, error))
        throw InputError(folder.string(), "is not a folder", "a capture is a folder with a manifest.json");
    if (!fs::exists(manifest, error))
        throw InputError(folder.string(), "has no manifest.json", "a capture is a folder with a manifest.json");
    Capture out = parse_manifest(read_text(manifest, JsonTree::kBytesMax), manifest.string());
    out.folder = folder;
    if (out.name.empty()) out.name = fs::absolute(folder).lexically_normal().filename().string();
    const fs::path root = fs::canonical(folder);
    for (CaptureSegment& s : out.segments) {
        s.path = folder / s.file;
        check_file(manifest, root, s.file, s.path, s.range.size);
    }
    if (!out.boot.dtb.empty()) check_file(manifest, root, out.boot.dtb, folder / out.boot.dtb, std::nullopt);
    read_registers(out);
    return out;
}

}  // namespace baton::sim
