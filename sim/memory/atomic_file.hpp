// SPDX-License-Identifier: GPL-2.0-only
// Files that are there whole or not at all.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/types.hpp"

namespace baton::sim {

/// What a file outlives when it is written: the end of the process, or that of the host, which costs a wait for its
/// disk.
enum class Outlives { kProcess, kHost };

/// Writes `bytes` to a new file beside `path`, makes it last as asked and renames it over `path`. Throws SaveError that
/// names the path and the host's reason; `path` is then as it was, and the new file is gone.
void write_file_atomically(const std::filesystem::path& path, std::span<const u8> bytes,
                           Outlives outlives = Outlives::kHost);

/// Why write_file_atomically() would fail, as far as it can be known before there is anything to write: the host's
/// reason, or that `path` is something else than a file, which the new one would take the place of. Empty: nothing.
std::string why_not_writable(const std::filesystem::path& path);

/// All bytes of a file. Throws SaveError that names the path and the host's reason.
std::vector<u8> read_whole_file(const std::filesystem::path& path);

}  // namespace baton::sim
