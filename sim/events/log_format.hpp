// SPDX-License-Identifier: GPL-2.0-only
// From a kernel's log record, {id, four numbers}, to the line a person reads (decision D10, model/log.hpp).
#pragma once

#include <span>
#include <string>

#include "model/log.hpp"

namespace baton::sim {

/// `{}` is decimal, `{x}` hexadecimal with 0x, `{s}` takes two arguments. The record may come from a kernel that lies:
/// an unknown id gives a line too, and a name is escaped unless it is printable ASCII.
std::string format_log(Log id, std::span<const u64, 4> args);

}  // namespace baton::sim
