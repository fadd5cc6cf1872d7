// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/format.hpp"

namespace baton::sim {
namespace {

constexpr HandoverFormat kFormats[] = {
    {"6.16", "kho-v1", TrackerKind::kChunks, 512, "fdt", ""},
    {"6.18", "kho-v1", TrackerKind::kChunks, 0, "fdt", ""},
    {"7.0", "kho-v1", TrackerKind::kChunks, 0, "fdt", ""},
    {"7.1-kho-v2", "kho-v2", TrackerKind::kRadix, 0, "preserved-data", ""},
    {"7.1", "kho-v3", TrackerKind::kRadix, 0, "preserved-data", "blob-size"},
    {"7.2", "kho-v4", TrackerKind::kRadix, 0, "preserved-data", "blob-size"},
};

struct Alias {
    std::string_view name;
    std::string_view generation;
};
constexpr Alias kAliases[] = {
    {"6.17", "6.18"},  // with the fix of B08, as in 6.17.y; 6.17.0 had 6.16's
    {"6.19", "7.0"},  {"kho-v2", "7.1-kho-v2"}, {"kho-v3", "7.1"}, {"kho-v4", "7.2"},
};

}  // namespace

std::span<const HandoverFormat> formats() { return kFormats; }

const HandoverFormat* format_named(std::string_view name) {
    for (const Alias& a : kAliases)
        if (a.name == name) name = a.generation;
    for (const HandoverFormat& f : kFormats)
        if (f.generation == name) return &f;
    return nullptr;
}

const HandoverFormat* format_with(std::string_view compatible, u32 bitmap_bytes) {
    for (const HandoverFormat& f : kFormats)
        if (f.compatible == compatible && (f.tracker == TrackerKind::kRadix || f.bitmap_bytes == bitmap_bytes))
            return &f;
    return nullptr;
}

}  // namespace baton::sim
