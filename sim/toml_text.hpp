// SPDX-License-Identifier: GPL-2.0-only
// TOML from a person: parsed, or refused with a place. The header is heavy: only what reads values includes it.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

#include "sim/input_error.hpp"

namespace baton::sim {

/// Throws InputError where the text is not TOML; `name` stands for the file, `manual` is the document to read then.
toml::table parse_toml(std::string_view text, const std::string& name, const std::string& manual);

}  // namespace baton::sim
