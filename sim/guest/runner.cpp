// SPDX-License-Identifier: GPL-2.0-only
#include "sim/guest/runner.hpp"

#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstring>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "sim/cpu/self_test.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kBitmapStep = 2 * kMiB;  // 64 GiB of frames, and what a FrameSet grows by
inline constexpr u64 kBitmapBytesMax = 2 * kBitmapStep;
inline constexpr u64 kAddressEnd = kBitmapBytesMax * 8 << kFrameShift;

u64 bitmap_bytes(const PhysicalMemory& memory) {
    return std::min(align_down(memory.frame_count() / 8, kBitmapStep) + kBitmapStep, kBitmapBytesMax);
}
inline constexpr u64 kStackBytes = 16 * kKiB;
inline constexpr u64 kPerCpuBytes = 64 * kKiB;

inline constexpr u64 kSiteHistory = GuestCrash::kSitesShown;

}  // namespace

GuestRunner::GuestRunner(Isa isa, Services& services, PhysicalMemory& memory, const GuestConfig& config)
    : isa_(isa),
      services_(services),
      memory_(memory),
      config_(config),
      port_(port_map(isa)),
      window_(kFrameSize, HostMapping::Access::kReadWrite, "the port record"),
      record_(*reinterpret_cast<PortRecord*>(window_.data())),
      watchdog_(config.silence, [this] { engine_->request_stop(); }) {
    require_sound_emulator(isa);
    if (memory.ranges().back().end().value > kAddressEnd)
        throw EngineError("guests know 128 GiB of addresses; this machine has RAM above");
    PortRam& ram = *reinterpret_cast<PortRam*>(window_.data() + (port_.ram - port_.record));
    ram.count = memory.view().range_count;
    std::copy_n(memory.view().ranges, ram.count, ram.ranges);
    memory_.set_dirty_source(this);
}

GuestRunner::~GuestRunner() {
    memory_.set_dirty_source(nullptr);
    labels_.clear();
    breakpoint_hooks_.clear();
    counted_.reset();
}

const Geometry& GuestRunner::geometry() const {
    if (header_.magic == kImageMagic) return geometry_of(static_cast<GeometryId>(header_.geometry));
    return geometry_of(x86() ? GeometryId::kX86_64 : GeometryId::kAArch64_4K);
}

// A new CPU: what an earlier kernel left in caches and registers is gone.
void GuestRunner::power_on() {
    labels_.clear();
    breakpoint_hooks_.clear();
    counted_.reset();
    engine_ = std::make_unique<Engine>(isa_);
    for (const PhysRange& r : memory_.ranges()) engine_->map_memory(r, memory_.view().base + r.start.value);
    engine_->map_memory({port_.dirty, bitmap_bytes(memory_)}, memory_.view().dirty);
    engine_->map_memory({port_.record, kFrameSize}, window_.data());
    const u64 window_end = port_.window.value + port_.window_bytes;
    engine_->map_mmio({port_.doorbell, window_end - port_.doorbell.value}, *this);
    pending_.clear();
    repeat_.reset();
    announced_label_.reset();
    moved_ = false;
    at_doorbell_ = false;
    stop_after_.reset();
    written_unclaimed_.clear();
    sites_.clear();
    record_ = {};
    served_ = 0;
}

// specs/boot.md §7, decision D26.
Stop GuestRunner::start(PhysAddr image, u64 argument, const EntryTables& tables) {
    power_on();
    Engine& e = *engine_;
    header_ = {};
    phase_ = Phase::kEntry;
    if (x86()) {
        for (const auto& [name, value] : {std::pair<const char*, u64>{"efer", 0xd01},
                                          {"cr4", 0x20},
                                          {"cr3", tables.root.value},
                                          {"cr0", 0x80000033}})
            write_register(e, name, value);
        uc_x86_mmr gdtr{.selector = 0, .base = tables.gdt.value, .limit = 4 * sizeof(u64) - 1, .flags = 0};
        uc_reg_write(e.raw(), UC_X86_REG_GDTR, &gdtr);
        e.set_reg(UC_X86_REG_CS, 0x10);
        for (const int segment : {UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_SS, UC_X86_REG_FS, UC_X86_REG_GS})
            e.set_reg(segment, 0x18);
        write_register(e, "rsi", argument);
        write_register(e, "rflags", 0x46);
        write_register(e, "rip", image.value + kEntryOffsetX86);
        written_unclaimed_.push_back(tables.range());  // accessed bits
        watch_entry(image + kEntryOffsetX86);
    } else {
        write_register(e, "pstate", 0x600003c5);
        write_register(e, "sctlr_el1", 0x30500800);
        write_register(e, "x0", argument);
        write_register(e, "pc", image.value);
        watch_entry(image);
    }
    e.flush_tlb();
    return go();
}

Stop GuestRunner::resume(PhysAddr) { return go(); }

Stop GuestRunner::transfer(const platform::Jump& jump) {
    jump_ = jump;
    mark_kernel(memory_);  // its last writes, on the way out
    phase_ = Phase::kRelocation;
    watch_relocation();
    return go();
}

Stop GuestRunner::proceed() { return go(); }

// --- the loop -------------------------------------------------------------------------------------------------------

Stop GuestRunner::go() {
    if (engine_ == nullptr || phase_ == Phase::kOff) throw EngineError("no guest is there to run");
    stop_.reset();
    crash_.reset();
    fault_address_.reset();
    stopped_after_ = false;
    counting_ = config_.count_always;
    hang_left_ = config_.budget_instructions;
    stopped_at_breakpoint_ = false;
    resumed_at_ = engine_->pc();
    deliver();
    while (!stop_) {
        before_run();
        const CpuStop cpu = run_cpu();
        if (!stop_) handle(cpu);
        if (!stop_) deliver();
    }
    stop_in_call_ = stop_->kind == Stop::Kind::kBreak;
    if (stop_->kind == Stop::Kind::kFault) {
        phase_ = Phase::kOff;
        stop_after_.reset();
        crash_ = make_crash();
    }
    return *stop_;
}

// What had to wait until the CPU stood still.
void GuestRunner::before_run() {
    if (entry_from_registers_) {
        entry_from_registers_ = false;
        const PhysAddr rip =
            jump_.start - kexec::kPurgatoryEntryOffset + purgatory_.registers + kexec::kRip * sizeof(u64);
        next_entry_ = PhysAddr{memory_.load<u64>(rip).value_or(0)};
    }
    if (next_entry_) watch_entry(*std::exchange(next_entry_, std::nullopt));
    // Labels that are behind it only cost time.
    if (phase_ == Phase::kKernel || (phase_ == Phase::kEntry && entered_ && !announced_label_)) labels_.clear();
    const bool count = counting_ || stop_after_.has_value();
    if (count && !counted_)
        counted_.emplace(*engine_, [this](u64 va, std::span<u8> to) {
            return read({va}, to, {.kind = WalkAccess::Kind::kFetch}) == to.size();
        });
    if (!count && counted_) counted_.reset();
    if (flush_code_) place_breakpoints();
    if (std::exchange(flush_code_, false)) {
        engine_->flush_code();
        engine_->flush_tlb();
    }
    called_ = false;
    stopping_ = false;
    ran_ = true;
}

CpuStop GuestRunner::run_cpu() {
    if (counted_) return run_counted();
    watchdog_.begin();
    CpuStop stop;
    try {
        stop = engine_->run();
    } catch (...) {
        watchdog_.end();
        throw;
    }
    if (watchdog_.end() && !called_) {
        counting_ = true;
        silence_seen_ = true;
        hang_left_ = config_.budget_instructions;
    }
    return stop;
}

CpuStop GuestRunner::run_counted() {
    const u64 limit = std::min(stop_after_.value_or(hang_left_), hang_left_);
    const CountedRun::Result r = counted_->run(limit);
    at_doorbell_ = at_doorbell_ && r.executed == 0;
    if (stop_after_) *stop_after_ -= r.executed;
    hang_left_ -= r.executed;
    if (called_) {
        hang_left_ = config_.budget_instructions;
        counting_ = config_.count_always;
    }
    // A label may have stopped the CPU where the count ends.
    const bool between = r.complete || r.stop.kind == CpuStop::Kind::kRequested;
    if (stop_ || !between) return r.stop;
    if (stop_after_ == 0) {
        stopped_after_ = true;
        stop_after_.reset();
        end({.kind = Stop::Kind::kBreak});
    } else if (hang_left_ == 0) {
        silent();
    }
    return r.stop;
}

void GuestRunner::handle(const CpuStop& stop) {
    switch (stop.kind) {
        case CpuStop::Kind::kRequested:
        case CpuStop::Kind::kUntil: return;
        // Interrupts do not exist: it would stand there for ever.
        case CpuStop::Kind::kHalted: return silent();
        case CpuStop::Kind::kTimeRead: return fault({.kind = Fault::Kind::kTimeRead, .args = {stop.code, stop.pc, 0}});
        case CpuStop::Kind::kException: return exception(stop);
        case CpuStop::Kind::kBusError: return bus_error(stop);
    }
}

void GuestRunner::ask_stop() {
    if (!engine_->running()) return;
    stopping_ = true;
    engine_->request_stop();
}

// Every callback of the CPU stands between these two. The watchdog may ask for a stop at any moment but shortly after a
// beat; so by the end of the callback it is known whether the CPU will stop here, and come here again. While
// instructions are counted every call stops the CPU, so that the count at the call is exact.
void GuestRunner::begin_call() {
    called_ = true;
    if (counted_ || watchdog_.beat()) ask_stop();
}

void GuestRunner::end_call() {
    if (flush_code_ || next_entry_ || entry_from_registers_ || watchdog_.beat()) ask_stop();
}

void GuestRunner::end(Stop stop) {
    if (stop_) return;
    stop_ = stop;
    ask_stop();
}

// The pc is not part of the verdict: where in its loop a guest was found may be chance.
void GuestRunner::silent() {
    fault({.kind = Fault::Kind::kHang, .args = {config_.budget_instructions, kHangSilent, 0}});
}

void GuestRunner::fault(const Fault& fault) {
    pending_.clear();
    Stop stop;
    stop.fault = fault;
    const bool machine_code = phase_ != Phase::kKernel;
    if (machine_code && fault.kind == Fault::Kind::kBadAccess) stop.fault.kind = Fault::Kind::kTripleFault;
    end(stop);
}

// --- calls ----------------------------------------------------------------------------------------------------------

bool GuestRunner::obey(SiteAction action) {
    if (action == SiteAction::kHang) fault({.kind = Fault::Kind::kHang, .args = {services_.budget(), 0, 0}});
    if (action == SiteAction::kBreak) end({.kind = Stop::Kind::kBreak});
    return action == SiteAction::kGoOn;
}

void GuestRunner::announce_site(Site site, u64 arg0, u64 arg1) {
    pending_.push_back({Announcement::Kind::kSite, static_cast<u32>(site), arg0, arg1});
}

void GuestRunner::announce_work(Work work, u64 amount) {
    pending_.push_back({Announcement::Kind::kWork, static_cast<u32>(work), amount, 0});
}

SiteAction GuestRunner::make(const Announcement& a) {
    if (a.kind == Announcement::Kind::kWork) return services_.charge(static_cast<Work>(a.id), a.arg0);
    if (a.kind != Announcement::Kind::kSite) {
        if (a.kind == Announcement::Kind::kRegister)
            access_register();
        else
            examine_purgatory();
        return SiteAction::kGoOn;
    }
    const Site site = static_cast<Site>(a.id);
    if (site == Site::kKernelEntry) phase_ = Phase::kKernel;
    if (sites_.size() == kSiteHistory) sites_.pop_front();
    sites_.push_back({site, a.arg0, a.arg1});
    return services_.at(site, a.arg0, a.arg1);
}

// Makes the calls that are due, until the machine wants the CPU to stand still. True: all are made.
bool GuestRunner::deliver() {
    while (!pending_.empty() && !stop_) {
        const Announcement a = pending_.front();
        pending_.pop_front();
        if (!obey(make(a))) return false;
    }
    return !stop_;
}

// --- dirty frames ---------------------------------------------------------------------------------------------------

void GuestRunner::report_dirty(PhysicalMemory& memory) {
    if (!ran_) return;
    const u64 words = std::min(memory.frame_count() / 64 + 1, bitmap_bytes(memory) / sizeof(u64));
    memory.take_up_dirty(words);
    for (const PhysRange& r : written_unclaimed_) memory.mark_ram(r);
    if (header_.magic == kImageMagic) mark_kernel(memory);
    ran_ = engine_ != nullptr && engine_->running();
}

std::array<PhysRange, 2> GuestRunner::image_but_text() const {
    const u64 text_end = align_down(header_.text_offset + header_.text_size, kFrameSize);
    const u64 text_start = std::min(align_up(header_.text_offset, kFrameSize), text_end);
    return {PhysRange{image_, text_start}, PhysRange{image_ + text_end, header_.image_size - text_end}};
}

// Written without claims, by the nature of compiled code: everything of the image but its text, and the stacks (D2).
void GuestRunner::mark_kernel(PhysicalMemory& memory) {
    for (const PhysRange& r : image_but_text()) memory.mark_ram(r);
    const u8* const bytes = memory.bytes({image_ + header_.kernel_offset, sizeof(Kernel)});
    if (bytes == nullptr) return;
    const Kernel& k = *reinterpret_cast<const Kernel*>(bytes);
    if (k.magic != kKernelMagic) return;
    if (k.stack.value != 0) memory.mark_ram({k.stack, align_up(kStackBytes, geometry().page_size())});
    if (k.per_cpu.value != 0) memory.mark_ram({k.per_cpu, kPerCpuBytes});
}

void GuestRunner::notify_host_write(PhysRange range) {
    if (engine_ == nullptr) return;
    engine_->flush_tlb();
    const PhysRange text{image_ + header_.text_offset, header_.text_size};
    const PhysRange routine{image_ + header_.relocate_offset, header_.relocate_size};
    // A kernel executes nothing else (W^X); machine code runs under identity maps, where everything is executable.
    const bool code = phase_ != Phase::kKernel || range.overlaps(text) || range.overlaps(routine);
    if (!code) return;
    flush_code_ = true;
    ask_stop();
}

}  // namespace baton::sim
