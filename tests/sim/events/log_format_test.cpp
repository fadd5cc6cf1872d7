// SPDX-License-Identifier: GPL-2.0-only
#include "sim/events/log_format.hpp"

#include <array>

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {
std::string formatted(Log id, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0) {
    return format_log(id, std::array<u64, 4>{a, b, c, d});
}
}  // namespace

TEST_CASE("log format: decimal, hexadecimal and names") {
    CHECK(formatted(Log::kKhoDisabled) == "KHO: disabled");
    CHECK(formatted(Log::kKexecSegment, 3, 0x1000000, 4096, 17) ==
          "kexec: segment 3 at 0x1000000, 4096 bytes, buffer 17 bytes");
    CHECK(formatted(Log::kKhoEnabled, 0) == "KHO: ready, root FDT at 0x0");
    CHECK(formatted(Log::kKhoEnabled, ~u64{0}) == "KHO: ready, root FDT at 0xffffffffffffffff");
    const PackedName name = pack_name("crashlog");
    CHECK(formatted(Log::kReserveMemNew, name.lo, name.hi, 0x200000, 8192) ==
          "reserve_mem: crashlog at 0x200000, 8192 bytes");
    const PackedName longest = pack_name("sixteen_letters!");
    CHECK(formatted(Log::kReserveMemNew, longest.lo, longest.hi, 1, 2) ==
          "reserve_mem: sixteen_letters! at 0x1, 2 bytes");
}

TEST_CASE("log format: every format uses up its placeholders") {
    for (const LogInfo& log : kLogs) {
        const std::string line = formatted(log.id, 0x6161, 0, 0, 0);
        CAPTURE(line);
        CHECK_FALSE(line.empty());
        CHECK(line.find_first_of("{}") == std::string::npos);
    }
}

TEST_CASE("log format: records of a kernel that lies stay one printable line") {
    CHECK(formatted(static_cast<Log>(999), 1, 0x20) == "unknown log record 999 (0x1, 0x20, 0x0, 0x0)");
    CHECK(formatted(Log::kCmdlineBad, 0x0a41'1b5c'ff42) == "command line: malformed option B\\xff\\x5c\\x1bA\\x0a");
}
