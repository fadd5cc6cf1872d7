// SPDX-License-Identifier: GPL-2.0-only
// The path behind a platform::file_id: asserts of the model carry a hash of their file's path, never the string (D32).
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton::sim {

/// "model/kho/preserve.cpp", or "an unknown file" for an image built from other sources.
std::string_view source_file(u32 file_id);

}  // namespace baton::sim
