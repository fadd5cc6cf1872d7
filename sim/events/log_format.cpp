// SPDX-License-Identifier: GPL-2.0-only
#include "sim/events/log_format.hpp"

#include <fmt/format.h>

namespace baton::sim {

namespace {

std::string unpacked_name(u64 lo, u64 hi) {
    std::string name;
    for (u32 i = 0; i < 16; ++i) {
        const u8 c = static_cast<u8>((i < 8 ? lo : hi) >> (8 * (i % 8)));
        if (c == 0) break;
        if (c >= 0x20 && c < 0x7f && c != '\\')
            name += static_cast<char>(c);
        else
            name += fmt::format("\\x{:02x}", c);
    }
    return name;
}

/// Arguments a format takes: kLogs is checked against the four a record has.
constexpr u32 arguments_of(std::string_view format) {
    u32 count = 0;
    for (std::size_t i = 0; i < format.size(); ++i)
        if (format[i] == '{') count += format[i + 1] == 's' ? 2 : 1;
    return count;
}
static_assert(
    [] {
        for (const LogInfo& log : kLogs)
            if (arguments_of(log.format) > 4) return false;
        return true;
    }(),
    "no format of kLogs takes more than four arguments");

}  // namespace

std::string format_log(Log id, std::span<const u64, 4> args) {
    if (id >= Log::kCount)
        return fmt::format("unknown log record {} ({:#x}, {:#x}, {:#x}, {:#x})", static_cast<u32>(id), args[0], args[1],
                           args[2], args[3]);
    const std::string_view format = info(id).format;
    std::string line;
    u32 next = 0;
    for (std::size_t at = 0; at < format.size();) {
        const std::string_view rest = format.substr(at);
        if (rest.starts_with("{}")) {
            line += fmt::format("{}", args[next++]);
            at += 2;
        } else if (rest.starts_with("{x}")) {
            line += fmt::format("{:#x}", args[next++]);
            at += 3;
        } else if (rest.starts_with("{s}")) {
            line += unpacked_name(args[next], args[next + 1]);
            next += 2;
            at += 3;
        } else {
            line += rest[0];
            ++at;
        }
    }
    return line;
}

}  // namespace baton::sim
