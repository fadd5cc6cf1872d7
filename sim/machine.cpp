// SPDX-License-Identifier: GPL-2.0-only
#include "sim/machine.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "model/kernel.hpp"
#include "model/port.hpp"
#include "sim/boot/captured.hpp"
#include "sim/boot/loader.hpp"
#include "sim/events/log_format.hpp"
#include "sim/guest/runner.hpp"
#include "sim/monitor.hpp"
#include "sim/native/runner.hpp"
#include "sim/observer.hpp"
#include "sim/source_files.hpp"
#include "sim/time/profile.hpp"

namespace baton::sim {
namespace {
inline constexpr u64 kFilledRamMax = 4 * kGiB;
inline constexpr u64 kBlocksKept = 1u << 24;

MachineMap map_of(const MachineConfig& config) {
    const Isa isa = geometry_of(config.geometry).isa;
    if (!config.map) return {isa, config.ram_bytes};
    if (config.map->isa != isa) throw MachineError(config.map->name + ": a map for another ISA than the machine");
    return *config.map;
}
}  // namespace

Machine::Machine(const MachineConfig& config)
    : config_(config),
      map_(map_of(config)),
      memory_(map_.ram),
      hasher_(memory_),
      snapshots_(memory_),
      ledger_(generic_profile()),
      bus_(geometry_of(config.geometry).isa, config.devices) {
    config_.budget = config.budget.or_else({StepBudget::kCalls, StepBudget::kInstructions});
    const Isa isa = geometry_of(config.geometry).isa;
    Services& services = *this;
    config_.map.reset();
    config_.ram_bytes = map_.ram_bytes;
    if (config.target == Target::kGuest) {
        if (const auto in_the_way = ram_in_port_window(map_))
            throw MachineError(fmt::format(
                "{}: guests talk to the simulator through [{:#x}, {:#x}), where this machine has RAM", map_.name,
                port_map(isa).window.value, port_map(isa).window.value + port_map(isa).window_bytes));
        auto guest = std::make_unique<GuestRunner>(isa, services, memory_,
                                                   GuestConfig{.budget_instructions = config_.budget.instructions});
        guest_ = guest.get();
        runner_ = std::move(guest);
    } else {
        runner_ = std::make_unique<NativeRunner>(isa, services, memory_.view());
    }
    if (config.fill != 0) {
        // A pattern has to be written, so this RAM is not sparse.
        if (map_.ram_bytes > kFilledRamMax) throw MachineError("a machine with a fill has at most 4 GiB of RAM");
        memory_.fill_pattern(config.fill);
    }
    ledger_.set_page_size(geometry().page_size());
    bus_.set_memory([this](const Arrival& a) { arrive(a); }, reader());
}

Machine::~Machine() = default;

// --- steps ----------------------------------------------------------------------------------------------------------

void Machine::begin_step() {
    calls_left_ = config_.budget.calls;
    seen_ = {};
    position_ = {};
    break_.reset();
    broke_ = false;
    actions_.clear();
    turns_.clear();
    turns_taken_ = 0;
    late_turns_.clear();
    if (std::exchange(counting_late_, false)) guest_->stop_after(std::nullopt);
    writes_.clear();
    replayed_writes_.clear();
    instant_.reset();
    pending_ = Pending::kNone;
}

void Machine::add_action(SiteHit at, std::function<void()> action) { actions_.push_back({at, std::move(action)}); }

Outcome Machine::boot(const ImageFile& image, std::string_view command_line, std::span<const u8> initrd) {
    const LoadedBoot loaded = load_for_boot(map_, memory_, image, command_line, initrd);
    start_image_ = loaded.image;
    start_argument_ = loaded.argument;
    start_tables_ = loaded.tables;
    return go(Pending::kStart);
}

Outcome Machine::boot_captured(const Capture& capture, const ImageFile& image,
                               std::optional<std::string_view> command_line) {
    const CapturedBoot boot = load_captured(map_, memory_, capture, image, command_line);
    for (const std::string& note : boot.notes) events_.note(LogLevel::kInfo, "capture: " + note, ledger_.now_ns());
    start_image_ = boot.loaded.image;
    start_argument_ = boot.loaded.argument;
    start_tables_ = boot.loaded.tables;
    sender_generation_ = image.header().generation;
    return go(Pending::kStart);
}

Outcome Machine::command(Op op, std::initializer_list<u64> args, std::string_view text) {
    if (state_ != State::kWaiting) throw std::logic_error("command for a kernel that does not wait");
    Kernel& k = *reinterpret_cast<Kernel*>(memory_.claim({kernel_, sizeof(Kernel)}));
    Command& c = k.mailbox.command;
    c.sequence = k.executed + 1;
    c.op = static_cast<u32>(op);
    std::fill(std::begin(c.args), std::end(c.args), u64{0});
    std::copy(args.begin(), args.end(), c.args);
    c.text_bytes = static_cast<u32>(std::min<std::size_t>(text.size(), kCommandTextMax - 1));
    std::memset(c.text, 0, sizeof(c.text));
    text.copy(c.text, c.text_bytes);  // a view of nothing may be null
    runner_->notify_host_write({kernel_, sizeof(Kernel)});
    return go(Pending::kCommand);
}

Outcome Machine::observe(Op op, std::initializer_list<u64> args, std::string_view text) {
    const Ledger::State before = ledger_.snapshot();
    Observer* const observer = std::exchange(observer_, nullptr);
    const Outcome out = command(op, args, text);
    observer_ = observer;
    ledger_.restore(before);
    return out;
}

Outcome Machine::proceed() { return settle(runner_->proceed()); }

Outcome Machine::go(Pending what) {
    pending_ = what;
    remember_instant();
    switch (what) {
        case Pending::kStart: return settle(runner_->start(start_image_, start_argument_, start_tables_));
        case Pending::kCommand:
            if (!parked_) {
                // A restored native machine has no kernel on a stack yet: its command loop begins and waits. That of a
                // guest is in RAM and registers.
                const Stop stop = runner_->resume(kernel_);
                if (stop.kind != Stop::Kind::kIdle) return settle(stop);
            }
            return settle(runner_->proceed());
        case Pending::kTransfer: return settle(runner_->transfer(jump_));
        case Pending::kNone: break;
    }
    throw std::logic_error("nothing to go on with");
}

// Lets the monitor look at a kernel that stands still, and go on from breaks that are not the step's own.
Stop Machine::attend(Stop stop) {
    if (!late_turns_.empty()) stop = take_late_turns(stop);
    const auto standing = [](const Stop& s) { return s.kind == Stop::Kind::kBreak || s.kind == Stop::Kind::kFault; };
    while (monitor_ != nullptr && standing(stop)) {
        state_ = stop.kind == Stop::Kind::kBreak ? State::kBreak : State::kDead;
        monitor_->stopped(*this, stop);
        if (state_ == State::kDead || broke_) break;
        stop = runner_->proceed();
    }
    broke_ = false;
    return stop;
}

// What a runner's stop means for the machine. Leaving one kernel is not an end: the next one is entered at once.
Outcome Machine::settle(Stop stop) {
    stop = attend(stop);
    while (stop.kind == Stop::Kind::kLeft) {
        jump_ = stop.jump;
        state_ = State::kJumped;
        parked_ = false;
        if (const Kernel* k = kernel(); k != nullptr) sender_generation_ = k->config.generation;
        pending_ = Pending::kTransfer;
        if (oracles_) compare_jump();
        remember_instant();
        stop = attend(runner_->transfer(jump_));
    }
    if (failure_) {
        state_ = State::kDead;
        std::rethrow_exception(std::exchange(failure_, nullptr));
    }
    Outcome out;
    if (stop.kind == Stop::Kind::kBreak) {
        state_ = State::kBreak;
        out.kind = Outcome::Kind::kBreak;
        out.stopped_at = position_;
        return out;
    }
    if (stop.kind == Stop::Kind::kFault) {
        state_ = State::kDead;
        out.kind = Outcome::Kind::kFault;
        out.fault = stop.fault;
        return out;
    }
    state_ = State::kWaiting;
    parked_ = true;
    const bool booted = pending_ == Pending::kStart || pending_ == Pending::kTransfer;
    out.kind = booted ? Outcome::Kind::kBooted : Outcome::Kind::kReply;
    pending_ = Pending::kNone;
    if (!booted) out.reply = kernel()->mailbox.reply;
    return out;
}

void Machine::enter_kernel(PhysAddr image, u64 argument) {
    const Geometry& g = geometry();
    deserialised_.clear();
    const auto boot = read_boot_handover(g.isa, {argument}, reader());
    kernel_ = image + kKernelOffset;
    if (!bus_.empty()) watch_.enter({image, kImageSize});
    initrd_ = boot ? boot->initrd : PhysRange{};
    if (sender_generation_ == 0) return change_kernel(nullptr);  // a cold boot: nobody handed anything over
    SeenHandover seen;
    seen.sender = static_cast<Generation>(sender_generation_);
    seen.image = image;
    seen.argument = {argument};
    if (boot && boot->fdt.value != 0) {
        seen.boot = *boot;
        seen.handover = read_handover(*boot, g, rules_for(static_cast<Generation>(sender_generation_)), reader());
        if (oracles_) seen.hash = handover_hash(seen.boot, seen.handover, g, touched());
    }
    change_kernel(&seen);
    handover_ = std::move(seen);
}

// --- looking and touching -------------------------------------------------------------------------------------------

bool Machine::host_write(PhysAddr a, std::span<const u8> bytes) {
    if (!memory_.write(a, bytes)) return false;
    runner_->notify_host_write({a, bytes.size()});
    if (pending_ != Pending::kNone) writes_.push_back({position_, a, {bytes.begin(), bytes.end()}});
    return true;
}

RamReader Machine::reader() const {
    return [this](PhysAddr a, std::span<u8> bytes) { return memory_.read(a, bytes); };
}

const Kernel* Machine::kernel() const {
    if (kernel_.value == 0) return nullptr;
    return reinterpret_cast<const Kernel*>(memory_.bytes({kernel_, sizeof(Kernel)}));
}

Hash128 Machine::state_hash() {
    StateHash h(hasher_.value());
    h.add("machine.state", static_cast<u64>(state_));
    h.add("machine.kernel", kernel_.value);
    h.add("cpu.root", root_.value);
    h.add("time.now_ps", ledger_.now_ns());
    if (!bus_.empty()) {
        ByteWriter devices;
        bus_.save(devices);
        h.add("devices", devices.bytes());
    }
    if (state_ == State::kJumped) h.add("cpu.head", jump_.head).add("cpu.start", jump_.start.value);
    if (state_ == State::kWaiting)
        for (const auto& [name, bytes] : runner_->save_cpu()) h.add("cpu." + name, bytes);
    return h.value();
}

namespace {
Hash128 content_hash(const u8* frame) {
    const XXH128_hash_t h = XXH3_128bits(frame, kFrameSize);
    return {static_cast<u128>(h.high64) << 64 | h.low64};
}
}  // namespace

TouchedFrames Machine::touched() {
    return [this](PhysRange range, const std::function<void(PhysAddr, std::span<const u8>)>& visit) {
        if (range.empty()) return;
        const FrameSet& ever = memory_.ever();
        const u64 last = std::min((range.end() - 1).value >> kFrameShift, memory_.frame_count() - 1);
        for (u64 f = ever.next(range.start.value >> kFrameShift, last); f <= last; f = ever.next(f + 1, last))
            if (memory_.is_ram({{f << kFrameShift}, kFrameSize}))
                visit({f << kFrameShift}, {memory_.frame(f), kFrameSize});
    };
}

void Machine::hash_frames(PhysRange range, FrameHashes& into) {
    touched()(range, [&](PhysAddr a, std::span<const u8> frame) {
        into[a.value >> kFrameShift] = content_hash(frame.data());
    });
}

Hash128 Machine::untouched_frame_hash() const {
    std::array<u8, kFrameSize> page;
    page.fill(memory_.background());
    return content_hash(page.data());
}

// --- services: called from inside a kernel --------------------------------------------------------------------------

bool Machine::spend() {
    if (calls_left_ == 0) return false;
    --calls_left_;
    return true;
}

SiteAction Machine::at(Site site, u64 arg0, u64 arg1) {
    const u64 n = ++seen_[static_cast<u32>(site)];
    position_ = {site, n};
    ledger_.at(site);
    events_.site(site, ledger_.now_ns(), arg0, arg1);
    if (observer_ != nullptr) observer_->site(site, n, arg0, arg1, ledger_.now_ns());
    // An exception cannot cross the kernel's stack: it waits on the machine's side of the switch.
    try {
        if (site == Site::kKernelEntry) enter_kernel({arg0}, arg1);
        if (site == Site::kKhoDeserialiseBlock && deserialised_.size() < kBlocksKept)
            deserialised_.push_back({{arg0}, {static_cast<u32>(arg1)}});
        if (site == Site::kMmMigrate && migrated_) migrated_({arg0}, {arg1});
        if (!bus_.empty()) devices_at(site, arg0, arg1);
        for (const RecordedWrite& w : replayed_writes_)
            if (w.at == position_) host_write(w.to, w.bytes);
        for (std::size_t i = 0; i < actions_.size(); ++i)
            if (actions_[i].at == position_) actions_[i].run();
    } catch (...) {
        failure_ = std::current_exception();
        return SiteAction::kBreak;
    }
    if (!spend()) return SiteAction::kHang;
    const bool watched = monitor_ != nullptr && monitor_->at(site, arg0, arg1);
    if (break_ == position_) {
        break_.reset();
        broke_ = true;
    }
    return watched || broke_ || !late_turns_.empty() ? SiteAction::kBreak : SiteAction::kGoOn;
}

SiteAction Machine::charge(Work work, u64 amount) {
    ledger_.charge(work, amount);
    return spend() ? SiteAction::kGoOn : SiteAction::kHang;
}

void Machine::log(LogLevel level, Log id, const u64 (&args)[4]) {
    events_.log(level, id, {args[0], args[1], args[2], args[3]}, ledger_.now_ns());
    if (observer_ != nullptr) observer_->log(level, format_log(id, args), ledger_.now_ns());
}

void Machine::warn(u32 file, u32 line) {
    const std::string text = fmt::format("WARNING at {}:{}", source_file(file), line);
    events_.note(LogLevel::kWarn, text, ledger_.now_ns());
    if (observer_ != nullptr) observer_->log(LogLevel::kWarn, text, ledger_.now_ns());
}

u64 Machine::now() { return ledger_.now_ns(); }

u64 Machine::random(u32 stream) { return randoms_.try_emplace(stream, config_.seed, stream).first->second.next(); }

}  // namespace baton::sim
