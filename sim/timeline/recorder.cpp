// SPDX-License-Identifier: GPL-2.0-only
#include "sim/timeline/recorder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace baton::sim {
namespace {

using Kind = TimelineEvent::Kind;

// The machine's own tracks, in the order of Timeline::tracks.
enum Track : u32 { kCpu, kLog, kFrames };

std::string_view level_name(LogLevel level) {
    constexpr std::string_view kNames[] = {"error", "warn", "info", "debug"};
    return kNames[static_cast<u32>(level) & 3];
}

}  // namespace

TimelineRecorder::TimelineRecorder(std::string name) {
    out_.name = std::move(name);
    out_.tracks = {{TimelineProcess::kMachine, "CPU 0"},
                   {TimelineProcess::kMachine, "kernel log"},
                   {TimelineProcess::kMemory, "frames"}};
}

TimelineEvent& TimelineRecorder::emit(Kind kind, u32 track, u64 time_ns, std::string name) {
    TimelineEvent& e = out_.events.emplace_back();
    e.kind = kind;
    e.track = track;
    e.time_ns = time_ns;
    e.name = std::move(name);
    return e;
}

u64 TimelineRecorder::stamp(u64 now_ns) {
    const u64 time_ns = now_ns > ~u64{0} - offset_ns_ ? ~u64{0} : now_ns + offset_ns_;
    last_ns_ = std::max(last_ns_, time_ns);
    return last_ns_;
}

void TimelineRecorder::attach(const OwnershipMap& ownership, const Ledger& ledger, u64 ram_bytes) {
    ownership_ = nullptr;  // of the machine before, which may be gone
    close_phase(last_ns_);
    close_kernel(last_ns_);
    ownership_ = &ownership;
    ledger_ = &ledger;
    ram_frames_ = ram_bytes >> kFrameShift;
    offset_ns_ = last_ns_ - std::min(last_ns_, ledger.now_ns());
    phase_ = ledger.phase();
    kernel_.reset();
    jumps_ = 0;
    sample(last_ns_, true);
}

// --- the CPU's track ------------------------------------------------------------------------------------------------

void TimelineRecorder::begin_step(u32 index, std::string_view name) {
    const u64 time_ns = now();
    close_phase(time_ns);
    close_kernel(time_ns);
    emit(Kind::kBegin, kCpu, time_ns, fmt::format("step {}: {}", index + 1, name)).numbers = {{"step", index + 1}};
    steps_.push_back(index);
}

void TimelineRecorder::end_step() {
    if (steps_.empty()) return;
    const u64 time_ns = now();
    if (!phase_open_ && time_ns > since_ns_) open(phase_, since_ns_);
    close_phase(time_ns);
    close_kernel(time_ns);
    emit(Kind::kEnd, kCpu, time_ns);
    steps_.pop_back();
    sample(time_ns, true);
}

Timeline TimelineRecorder::finish() {
    ledger_ = nullptr;
    ownership_ = nullptr;
    while (!steps_.empty()) end_step();
    close_phase(last_ns_);
    close_kernel(last_ns_);
    dma_.finish(last_ns_);
    emit_samples();
    std::ranges::stable_sort(out_.events, {}, &TimelineEvent::time_ns);
    return std::move(out_);
}

void TimelineRecorder::open(Phase phase, u64 time_ns) {
    if (!kernel_open_) emit(Kind::kBegin, kCpu, time_ns, kernel_ ? "kernel " + *kernel_ : "no kernel");
    kernel_open_ = true;
    const PhaseInfo& p = info(phase);
    TimelineEvent& e = emit(Kind::kBegin, kCpu, time_ns, fmt::format("{} {}", p.code, p.name));
    // Work before a jump is for the hop to come; hop 0 is the cold boot.
    const u64 hop = phase < Phase::kRelocation ? jumps_ + 1 : jumps_;
    e.numbers = {{"hop", hop}};
    if (hop != 0) e.words = {{"service", p.dark ? "dark" : "runs"}};
    phase_open_ = true;
    sample(time_ns, true);
}

void TimelineRecorder::close_phase(u64 time_ns) {
    since_ns_ = time_ns;
    if (!phase_open_) return;
    close_sites();
    emit(Kind::kEnd, kCpu, time_ns);
    phase_open_ = false;
    sample(time_ns, true);
}

void TimelineRecorder::close_kernel(u64 time_ns) {
    if (kernel_open_) emit(Kind::kEnd, kCpu, time_ns);
    kernel_open_ = false;
}

void TimelineRecorder::site(Site site, u64 nth, u64 arg0, u64 arg1, u64 now_ns) {
    const u64 time_ns = stamp(now_ns);
    const Phase before = phase_;
    if (site != Site::kMmio) phase_ = info(site).phase;
    // The time since the step began belongs to the phase that went on then.
    if (!phase_open_ && time_ns > since_ns_) open(before, since_ns_);
    const bool leaves = site == Site::kKexecJump;
    const bool enters = site == Site::kKernelEntry;
    if (phase_ != before || leaves || enters) close_phase(time_ns);
    if (leaves || enters) {
        close_kernel(time_ns);
        kernel_ = enters ? std::optional(next_kernel_) : std::nullopt;
    }
    if (leaves) ++jumps_;
    if (!phase_open_) open(phase_, time_ns);

    if (sites_.site != site) close_sites();
    sites_.site = site;
    sites_.last = {nth, arg0, arg1, time_ns};
    if (++sites_.count <= kInstantsMax) sites_.first.push_back(sites_.last);
}

void TimelineRecorder::emit_site(const SiteRun::One& one) {
    TimelineEvent& e = emit(Kind::kInstant, kCpu, one.time_ns, std::string(info(sites_.site).name));
    e.numbers = {{"nth", one.nth}};
    e.words = {{"arguments", fmt::format("{:#x}, {:#x}", one.arg0, one.arg1)}};
}

void TimelineRecorder::close_sites() {
    if (sites_.count == 0) return;
    if (points_ >= kPointsMax) {
        out_.left_out += sites_.count;
    } else if (sites_.count <= kInstantsMax) {
        points_ += sites_.count;
        for (const SiteRun::One& one : sites_.first) emit_site(one);
    } else {
        ++points_;
        TimelineEvent& e = emit(Kind::kBegin, kCpu, sites_.first.front().time_ns,
                                fmt::format("{} x {}", info(sites_.site).name, sites_.count));
        e.numbers = {{"count", sites_.count}, {"first", sites_.first.front().nth}, {"last", sites_.last.nth}};
        emit(Kind::kEnd, kCpu, sites_.last.time_ns);
    }
    sites_ = {};
}

// --- beside it ------------------------------------------------------------------------------------------------------

void TimelineRecorder::owned(PhysRange, Owner, Owner, u64 now_ns) { sample(stamp(now_ns), false); }

void TimelineRecorder::dma(const DmaEvent& event) { dma_.dma(event, stamp(event.time_ns)); }

void TimelineRecorder::race(const RaceEvent& event) { dma_.race(event, stamp(event.time_ns)); }

void TimelineRecorder::log(LogLevel level, std::string_view text, u64 now_ns) {
    const u64 time_ns = stamp(now_ns);
    if (lines_ >= kLinesMax) {
        ++out_.left_out;
        return;
    }
    ++lines_;
    TimelineEvent& e = emit(Kind::kInstant, kLog, time_ns, std::string(text));
    e.bad = level == LogLevel::kError;
    e.words = {{"level", std::string(level_name(level))}};
}

// `due`: something begins or ends. Once there are many, every other is dropped and they come half as often.
void TimelineRecorder::sample(u64 time_ns, bool due) {
    if (ownership_ == nullptr) return;
    const u64 since = samples_.empty() ? ~u64{0} : time_ns - samples_.back().time_ns;
    if (since != 0 && since < sample_every_ns_ && !due) return;
    if (since != 0) {
        if (samples_.size() >= kSamplesMax) {
            for (std::size_t i = 0; i < samples_.size() / 2; ++i) samples_[i] = samples_[2 * i];
            samples_.resize(samples_.size() / 2);
            sample_every_ns_ *= 2;
        }
        samples_.emplace_back();
    }
    Sample& s = samples_.back();
    s.time_ns = time_ns;
    u64 owned = 0;
    for (u32 o = 0; o < s.frames.size(); ++o) {
        s.frames[o] = ownership_->count(static_cast<Owner>(o));
        if (static_cast<Owner>(o) != Owner::kNobody) owned += s.frames[o];
    }
    // The map counts all addresses as nobody's: here it is RAM alone.
    s.frames[static_cast<u32>(Owner::kNobody)] = ram_frames_ - std::min(ram_frames_, owned);
}

// Owners that never had a frame are left out, of all samples alike.
void TimelineRecorder::emit_samples() {
    std::array<bool, static_cast<u32>(Owner::kCount)> shown{};
    for (const Sample& s : samples_)
        for (u32 o = 0; o < shown.size(); ++o) shown[o] = shown[o] || s.frames[o] != 0;
    for (const Sample& s : samples_) {
        TimelineEvent& e = emit(Kind::kFrames, kFrames, s.time_ns, "frames by owner");
        for (u32 o = 0; o < shown.size(); ++o)
            if (shown[o]) e.numbers.emplace_back(std::string(name(static_cast<Owner>(o))), s.frames[o]);
    }
}

}  // namespace baton::sim
