// SPDX-License-Identifier: GPL-2.0-only
// Text for XML and HTML, in elements and in quoted attributes.
#pragma once

#include <string>
#include <string_view>

namespace baton::scenarios {

/// Titles, paths and log lines are bytes of strangers: markup is escaped, a line's end and a tab are written as
/// references, and what XML 1.0 cannot hold (most control characters, what is no UTF-8) becomes U+FFFD.
std::string escaped(std::string_view text);

}  // namespace baton::scenarios
