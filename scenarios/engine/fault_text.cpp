// SPDX-License-Identifier: GPL-2.0-only
// How a kernel's end is called, and what people read of it.
#include <fmt/format.h>

#include <array>

#include "scenarios/engine/play.hpp"
#include "sim/cpu/time_traps.hpp"
#include "sim/events/log_format.hpp"
#include "sim/native/relocator.hpp"
#include "sim/source_files.hpp"

namespace baton::scenarios {

Ending ending_of(sim::Fault::Kind kind) {
    switch (kind) {
        case sim::Fault::Kind::kAssert: return Ending::kAssert;
        case sim::Fault::Kind::kBadAccess: return Ending::kBadAccess;
        case sim::Fault::Kind::kStackOverflow: return Ending::kStackOverflow;
        case sim::Fault::Kind::kHang: return Ending::kHang;
        case sim::Fault::Kind::kTripleFault: return Ending::kTripleFault;
        case sim::Fault::Kind::kPurgatoryLoop: return Ending::kPurgatoryLoop;
        case sim::Fault::Kind::kImageCorrupted: return Ending::kImageCorrupted;
        case sim::Fault::Kind::kGuestException: return Ending::kException;
        case sim::Fault::Kind::kTimeRead: return Ending::kTimeRead;
        case sim::Fault::Kind::kBadPortCall: return Ending::kBadPlatformCall;
        case sim::Fault::Kind::kNone:
        case sim::Fault::Kind::kPanic: break;
    }
    return Ending::kPanic;
}

namespace {

std::string panic_text(const sim::Fault& fault) {
    const std::array<u64, 4> args{fault.args[0], fault.args[1], fault.args[2], 0};
    return sim::format_log(fault.log, args);
}

}  // namespace

std::string fault_text(const sim::Fault& fault) {
    using Kind = sim::Fault::Kind;
    const std::string_view verdict = sim::verdict_of(fault.kind);
    switch (fault.kind) {
        case Kind::kPanic: return fmt::format("{}: {}", verdict, panic_text(fault));
        case Kind::kAssert: return fmt::format("{}: {}:{}", verdict, sim::source_file(fault.file), fault.line);
        case Kind::kBadAccess:
        case Kind::kTripleFault:
            return fmt::format("{}: {:#x} ({} bytes) is not RAM", verdict, fault.args[0], fault.args[1]);
        case Kind::kHang:
            return fmt::format("{}: {} {}", verdict, fault.args[0],
                               fault.args[1] == sim::kHangCalls ? "platform calls and no end"
                                                                : "instructions without a platform call");
        case Kind::kPurgatoryLoop:
            return fmt::format("{}: the segments do not hash to the digest of the load", verdict);
        case Kind::kImageCorrupted:
            return fmt::format("{}: at {:#x}: {}", verdict, fault.args[0],
                               sim::describe(static_cast<sim::ImageCheck>(fault.args[1])));
        case Kind::kGuestException:
            return fmt::format("{}: {} at pc {:#x}, address {:#x}", verdict, fault.args[0], fault.args[1],
                               fault.args[2]);
        case Kind::kTimeRead:
            return fmt::format("{}: {} at pc {:#x}", verdict, sim::kTimeSources[fault.args[0]].instruction,
                               fault.args[1]);
        case Kind::kBadPortCall:
            return fmt::format("{}: operation {}, argument {:#x}", verdict, fault.args[0], fault.args[1]);
        case Kind::kNone:
        case Kind::kStackOverflow: break;
    }
    return std::string(verdict);
}

}  // namespace baton::scenarios
