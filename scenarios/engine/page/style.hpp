// SPDX-License-Identifier: GPL-2.0-only
// How the HTML report looks, light and dark, and the little that moves in it.
#pragma once

#include <string_view>

#include "model/owner.hpp"

namespace baton::scenarios::page {

extern const std::string_view kCss;
extern const std::string_view kScript;

/// The colour of an owner's memory, as a fill: "var(--preserved)".
std::string_view owner_fill(Owner owner);

}  // namespace baton::scenarios::page
