// SPDX-License-Identifier: GPL-2.0-only
#include "sim/source_files.hpp"

namespace baton::sim {
namespace {

// Paths as the compiler sees them (-ffile-prefix-map makes them "./model/…"); the build writes the list.
constexpr std::string_view kModelFiles[] = {
#include <model_files.inc>
};

// The same FNV-1a as platform::file_id, at run time.
u32 id_of(std::string_view path) {
    u32 h = 2166136261u;
    for (char c : path) h = (h ^ static_cast<u8>(c)) * 16777619u;
    return h;
}

}  // namespace

std::string_view source_file(u32 file_id) {
    for (std::string_view path : kModelFiles)
        if (id_of(path) == file_id) return path.substr(2);
    return "an unknown file";
}

}  // namespace baton::sim
