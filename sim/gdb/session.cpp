// SPDX-License-Identifier: GPL-2.0-only
#include "sim/gdb/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "sim/cpu/registers.hpp"
#include "sim/guest/runner.hpp"

namespace baton::sim::gdb {
namespace {

inline constexpr std::size_t kBreakpointsMax = 1024;
inline constexpr u32 kSitesBetweenPolls = 64;
// GDB's own numbers of signals.
inline constexpr u32 kTrap = 5;
inline constexpr u32 kAborted = 6;
inline constexpr u32 kSegmentationFault = 11;
inline constexpr u32 kOutOfTime = 24;

constexpr std::string_view kHelp =
    "site NAME[#k]  the next continue stops the k-th time NAME is passed from now on\n"
    "walk ADDRESS   page walk of a virtual address\n"
    "sites          schedule points passed so far\n"
    "where          symbol at the pc, also in relocation code and purgatory\n";

std::optional<u64> number(std::string_view text) {
    const bool hexadecimal = text.starts_with("0x");
    if (hexadecimal) text.remove_prefix(2);
    u64 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string site_text(const SiteSeen& s) { return fmt::format("{} ({:#x}, {:#x})", info(s.site).name, s.arg0, s.arg1); }

}  // namespace

Session::Session(ByteStream& stream, const std::optional<SitePoint>& start, u64 skip)
    : stub_(stream), start_anywhere_(!start), start_(start.value_or(SitePoint{})) {
    if (skip != 0) skip_ = skip;
}

GuestRunner& Session::guest() const { return *machine_->guest(); }

// --- running --------------------------------------------------------------------------------------------------------

bool Session::at(Site site, u64 arg0, u64 arg1) {
    ++announced_[static_cast<u32>(site)];
    if (detached_) return false;
    bool stop = false;
    if (!begun_) {
        stop = !here_ && (start_anywhere_ || start_.at(site));
    } else {
        stop = armed_.at(site);
        if (!stop && ++until_poll_ == kSitesBetweenPolls) {
            until_poll_ = 0;
            stop = stub_.interrupted();
        }
    }
    if (stop) here_ = SiteSeen{site, arg0, arg1};
    return stop;
}

// True once the debugger may look. A fault before the start is the last chance to.
bool Session::begin(const Stop& stop) {
    const bool reached = here_.has_value();
    if (stop.kind != Stop::Kind::kFault) {
        if (!reached) return false;
        if (skip_) {
            guest().stop_after(std::exchange(skip_, std::nullopt));
            return false;
        }
    }
    begun_ = true;
    stub_.set_reason(reason_of(stop));
    return true;
}

StopReason Session::reason_of(const Stop& stop) const {
    StopReason reason{.signal = kTrap, .breakpoint = {}};
    if (stop.kind == Stop::Kind::kFault) {
        switch (stop.fault.kind) {
            case Fault::Kind::kPanic:
            case Fault::Kind::kAssert: reason.signal = kAborted; break;
            case Fault::Kind::kHang:
            case Fault::Kind::kPurgatoryLoop: reason.signal = kOutOfTime; break;
            default: reason.signal = kSegmentationFault; break;
        }
    } else if (guest().stopped_at_breakpoint()) {
        const auto hit = breakpoints_.find(guest().engine().pc());
        if (hit != breakpoints_.end()) reason.breakpoint = hit->second;
    }
    return reason;
}

void Session::stopped(Machine& machine, const Stop& stop) {
    if (detached_ || machine.guest() == nullptr) return;
    machine_ = &machine;
    if (begun_) {
        guest().stop_after(std::nullopt);
        if (stop.kind == Stop::Kind::kFault)
            stub_.print(fmt::format("the kernel is gone: {}\n", verdict_of(stop.fault.kind)));
        else if (here_)
            stub_.print(fmt::format("at {}\n", site_text(*here_)));
        stub_.report(reason_of(stop));
    } else if (!begin(stop)) {
        return;
    }
    here_.reset();
    switch (stub_.serve(*this)) {
        case Resume::kStep: guest().stop_after(guest().at_call() ? 0 : 1); break;
        case Resume::kContinue: break;
        case Resume::kDetach:
            for (const auto& [address, kind] : breakpoints_) guest().remove_breakpoint(address);
            detached_ = true;
            break;
        case Resume::kKill:
        case Resume::kGone: machine_ = nullptr; throw RunAbandoned{};
    }
    machine_ = nullptr;
}

void Session::finished(u32 code) {
    if (!begun_ || detached_) return;
    stub_.print(fmt::format("the scenario is over; exit code {}\n", code));
    stub_.exited(code);
}

// --- what is debugged -----------------------------------------------------------------------------------------------

Isa Session::isa() const { return machine_->geometry().isa; }

CpuFields Session::read_registers() { return save_registers(guest().engine()); }

// Vectors and flags have their own widths; of the others only the selectors stay as they are, because loading one
// reads descriptor tables.
bool Session::write_register(std::string_view field, std::span<const u8> value) {
    Engine& engine = guest().engine();
    CpuFields fields = save_registers(engine);
    const auto found = std::ranges::find(fields, field, &CpuFields::value_type::first);
    if (found == fields.end()) return false;
    std::vector<u8>& bytes = found->second;
    if (bytes.size() == sizeof(u64)) {
        u64 whole = 0;
        std::memcpy(&whole, value.data(), std::min(value.size(), sizeof(whole)));
        sim::write_register(engine, field, whole);
        engine.flush_tlb();
        return true;
    }
    if (bytes.size() != value.size()) return false;
    bytes.assign(value.begin(), value.end());
    restore_registers(engine, fields);
    return true;
}

std::size_t Session::read_memory(u64 address, std::span<u8> to) { return guest().read({address}, to); }

bool Session::write_memory(u64 address, std::span<const u8> bytes) {
    // Text is read-only to the kernel, not to its debugger.
    const auto place = [&](u64 va) { return guest().walk({va}); };
    const auto piece_at = [&](std::size_t done) {
        return std::min<std::size_t>(bytes.size() - done, kFrameSize - (address + done) % kFrameSize);
    };
    for (std::size_t done = 0; done < bytes.size(); done += piece_at(done)) {
        const PageWalk w = place(address + done);
        if (!w.allowed() || !machine_->memory().is_ram({w.address, piece_at(done)})) return false;
    }
    for (std::size_t done = 0, piece = 0; done < bytes.size(); done += piece) {
        piece = piece_at(done);
        machine_->host_write(place(address + done).address, bytes.subspan(done, piece));
    }
    return true;
}

bool Session::add_breakpoint(u64 address, Breakpoint kind) {
    if (breakpoints_.size() >= kBreakpointsMax) return false;
    breakpoints_.insert_or_assign(address, kind);
    guest().add_breakpoint(address);
    return true;
}

void Session::remove_breakpoint(u64 address, Breakpoint) {
    breakpoints_.erase(address);
    guest().remove_breakpoint(address);
}

// --- monitor commands -----------------------------------------------------------------------------------------------

std::string Session::execute(std::string_view command) {
    const std::size_t blank = std::min(command.find(' '), command.size());
    const std::string_view verb = command.substr(0, blank);
    std::string_view argument = command.substr(blank);
    argument.remove_prefix(std::min(argument.find_first_not_of(' '), argument.size()));
    if (verb == "site") return arm(argument);
    if (verb == "walk") return walk(argument);
    if (verb == "sites") return sites();
    if (verb == "where") return guest().symbol(guest().engine().pc()) + "\n";
    return std::string(kHelp);
}

// GDB does not expect the CPU to move during a monitor command, so this only says where the next continue ends.
std::string Session::arm(std::string_view point) {
    const std::size_t mark = std::min(point.find('#'), point.size());
    const std::string_view name = point.substr(0, mark);
    const auto nth = mark == point.size() ? std::optional<u64>(1) : number(point.substr(mark + 1));
    const SiteInfo* const site = std::ranges::find(kSites, name, &SiteInfo::name);
    if (site == std::end(kSites)) return fmt::format("no schedule point is called \"{}\": see `baton points`\n", name);
    if (!nth || *nth == 0) return "occurrences count from 1: site NAME#k\n";
    armed_ = SiteCounter({.site = site->site, .nth = *nth, .step = {}});
    return fmt::format("continue stops at {}#{} from here\n", name, *nth);
}

std::string Session::walk(std::string_view address) const {
    const auto va = number(address);
    if (!va) return "walk takes an address, 0x… or decimal\n";
    return to_text(guest().walk({*va}), {*va}) + "\n";
}

std::string Session::sites() const {
    std::string text;
    for (const SiteInfo& site : kSites)
        if (const u64 n = announced_[static_cast<u32>(site.site)]; n != 0)
            text += fmt::format("{:<24} {}\n", site.name, n);
    return text;
}

}  // namespace baton::sim::gdb
