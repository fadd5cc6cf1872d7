// SPDX-License-Identifier: GPL-2.0-only
// JSON that a person can read too: a list of blocks is a line a block, not four.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace baton::sim {

/// Indented by two; what holds nothing but plain values, and is not an object, stands on one line. Bytes that are no
/// UTF-8 (names come from memory) are replaced.
std::string pretty(const nlohmann::ordered_json& value);

}  // namespace baton::sim
