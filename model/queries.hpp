// SPDX-License-Identifier: GPL-2.0-only
// What a kernel tells about itself on request (Op::kQuery): a table of small readers, no side effects.
#pragma once

#include "model/command.hpp"
#include "model/errno.hpp"

namespace baton {
struct Kernel;

/// args: Query, index or address. EINVAL for an unknown query, ENOENT for an index past the end.
Errno query(Kernel& k, const Command& command, Reply& reply);

}  // namespace baton
