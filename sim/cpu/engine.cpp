// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/engine.hpp"

#include <fmt/format.h>
#include <unicorn/unicorn.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "sim/cpu/time_traps.hpp"

namespace baton::sim {
namespace {

inline constexpr unsigned kVersionMin = UC_MAKE_VERSION(2, 1);
inline constexpr u32 kVectorUndefined = 6;
inline constexpr u32 kVectorPageFault = 14;

void check(uc_err error, std::string_view what) {
    if (error != UC_ERR_OK) throw EngineError(fmt::format("Unicorn: {}: {}", what, uc_strerror(error)));
}

int pc_id(Isa isa) { return isa == Isa::kX86_64 ? int{UC_X86_REG_RIP} : int{UC_ARM64_REG_PC}; }

// The numbers Unicorn hands to an interrupt hook on AArch64 are QEMU's; only these are ours to know.
enum ArmException : u32 { kArmUndefined = 1, kArmPrefetchAbort = 3, kArmDataAbort = 4 };
constexpr u64 class_of(u64 syndrome) { return syndrome >> 26; }

}  // namespace

ContextLayout& context_layout(Isa isa) {
    static ContextLayout layouts[2];
    return layouts[isa == Isa::kX86_64 ? 0 : 1];
}

// Everything Unicorn calls. No exception may cross its frames.
struct EngineCallbacks {
    static void trap(uc_engine*, u32 number, void* self) {
        Engine& e = *static_cast<Engine*>(self);
        e.stop_.kind = CpuStop::Kind::kException;
        e.stop_.vector = number;
        e.keep_exception_bytes();  // later the error code is gone
        stop(e);
    }
    static bool invalid(uc_engine*, void* self) {
        Engine& e = *static_cast<Engine*>(self);
        e.stop_.kind = CpuStop::Kind::kException;
        e.stop_.vector = e.isa_ == Isa::kX86_64 ? kVectorUndefined : u32{kArmUndefined};
        e.stopped_by_trap_ = true;
        return false;
    }
    static bool unmapped(uc_engine*, uc_mem_type type, u64 address, int size, std::int64_t, void* self) {
        Engine& e = *static_cast<Engine*>(self);
        e.stop_.kind = CpuStop::Kind::kBusError;
        e.stop_.address = address;
        e.stop_.bytes = static_cast<u64>(size);
        e.stop_.access = type == UC_MEM_WRITE_UNMAPPED   ? CpuAccess::kWrite
                         : type == UC_MEM_FETCH_UNMAPPED ? CpuAccess::kFetch
                                                         : CpuAccess::kRead;
        e.stopped_by_trap_ = true;
        return false;
    }
    static u64 mmio_read(uc_engine*, u64 offset, unsigned size, void* data) {
        const auto& w = *static_cast<Engine::Window*>(data);
        u64 value = 0;
        w.engine->guarded([&] { value = w.handler->mmio_read(w.start + offset, size); });
        return value;
    }
    static void mmio_write(uc_engine*, u64 offset, unsigned size, u64 value, void* data) {
        const auto& w = *static_cast<Engine::Window*>(data);
        w.engine->guarded([&] { w.handler->mmio_write(w.start + offset, size, value); });
    }
    static void code(uc_engine*, u64 pc, u32, void* data) {
        const auto& body = *static_cast<Engine::Hook::Body*>(data);
        body.engine->guarded([&] { body.code(pc); });
    }
    static void block(uc_engine*, u64 pc, u32 bytes, void* data) {
        const auto& body = *static_cast<Engine::Hook::Body*>(data);
        body.engine->guarded([&] { body.block(pc, bytes); });
    }
    static int rdtsc(uc_engine*, void* self) { return time_read(self, kTimeRdtsc); }
    static int rdtscp(uc_engine*, void* self) { return time_read(self, kTimeRdtscp); }
    static u32 mrs(uc_engine*, uc_arm64_reg, const uc_arm64_cp_reg* reg, void* self) {
        const auto source = time_source({reg->op0, reg->op1, reg->crn, reg->crm, reg->op2});
        return source ? static_cast<u32>(time_read(self, *source)) : 0;
    }

private:
    static int time_read(void* self, u64 source) {
        Engine& e = *static_cast<Engine*>(self);
        e.stop_.kind = CpuStop::Kind::kTimeRead;
        e.stop_.code = source;
        e.stop_.pc = e.pc();
        stop(e);
        return 1;  // the instruction is skipped: no host time reaches the guest
    }
    static void stop(Engine& e) {
        e.stopped_by_trap_ = true;
        uc_emu_stop(e.uc_);
    }
};

template <class F>
void Engine::guarded(F&& f) noexcept {
    if (thrown_ != nullptr) return;  // the CPU is on its way to the stop
    try {
        f();
    } catch (...) {
        thrown_ = std::current_exception();
        request_stop();
    }
}

Engine::Engine(Isa isa) : isa_(isa) {
    unsigned major = 0;
    unsigned minor = 0;
    if (uc_version(&major, &minor) < kVersionMin)
        throw EngineError(fmt::format("Unicorn {}.{} is too old: 2.1 or newer is needed", major, minor));
    const bool x86 = isa == Isa::kX86_64;
    check(uc_open(x86 ? UC_ARCH_X86 : UC_ARCH_ARM64, x86 ? UC_MODE_64 : UC_MODE_ARM, &uc_), "cannot open an engine");
    try {
        configure();
        add_traps();
    } catch (...) {
        uc_close(uc_);
        throw;
    }
}

Engine::~Engine() { uc_close(uc_); }

void Engine::configure() {
    const int model = isa_ == Isa::kX86_64 ? int{UC_CPU_X86_OPTERON_G4} : int{UC_CPU_ARM64_MAX};
    check(uc_ctl_set_cpu_model(uc_, model), "cannot choose the CPU model");
    check(uc_ctl_tlb_mode(uc_, UC_TLB_CPU), "cannot choose the CPU's own page tables");
    // Without a list of exits, an empty one here, every run has an address to stop at. When it is over Unicorn drops
    // the
    // translation there, and if nothing is mapped at it, raises a page fault in the CPU: CR2 changes, and on x86-64 the
    // guest's own next fault becomes a double fault.
    check(uc_ctl_exits_enable(uc_), "cannot run without an end");
    if (isa_ == Isa::kX86_64) return;
    // Non-secure EL1 in AArch64 state below an EL2 and an EL3 that stay out of the way.
    uc_arm64_cp_reg scr_el3{.crn = 1, .crm = 1, .op0 = 3, .op1 = 6, .op2 = 0, .val = 0x501};         // RW, HCE, NS
    uc_arm64_cp_reg hcr_el2{.crn = 1, .crm = 1, .op0 = 3, .op1 = 4, .op2 = 0, .val = u64{1} << 31};  // RW
    check(uc_reg_write(uc_, UC_ARM64_REG_CP_REG, &scr_el3), "cannot write SCR_EL3");
    check(uc_reg_write(uc_, UC_ARM64_REG_CP_REG, &hcr_el2), "cannot write HCR_EL2");
}

void Engine::add_traps() {
    uc_hook hook{};
    const auto add = [&](int type, auto* callback, std::initializer_list<int> instruction) {
        void* const address = reinterpret_cast<void*>(callback);
        const uc_err error = instruction.size() == 0
                                 ? uc_hook_add(uc_, &hook, type, address, this, 1, 0)
                                 : uc_hook_add(uc_, &hook, type, address, this, 1, 0, *instruction.begin());
        check(error, "cannot add a hook");
    };
    add(UC_HOOK_INTR, EngineCallbacks::trap, {});
    add(UC_HOOK_INSN_INVALID, EngineCallbacks::invalid, {});
    if (isa_ == Isa::kX86_64) {
        add(UC_HOOK_INSN, EngineCallbacks::rdtsc, {UC_X86_INS_RDTSC});
        add(UC_HOOK_INSN, EngineCallbacks::rdtscp, {UC_X86_INS_RDTSCP});
    } else {
        add(UC_HOOK_INSN, EngineCallbacks::mrs, {UC_ARM64_INS_MRS});
    }
}

// An access to nowhere is a callback. It is asked for where nothing is mapped, and nowhere else: stores to memory that
// such a hook covers never take Unicorn's fast path, and cost 38 ns instead of 6.
void Engine::watch_holes() {
    for (const u64 hook : std::exchange(hole_hooks_, {})) uc_hook_del(uc_, hook);
    std::ranges::sort(mapped_, {}, &PhysRange::start);
    const auto add = [this](u64 first, u64 last) {
        uc_hook hook{};
        check(uc_hook_add(uc_, &hook, UC_HOOK_MEM_UNMAPPED, reinterpret_cast<void*>(EngineCallbacks::unmapped), this,
                          first, last),
              "cannot add a hook");
        hole_hooks_.push_back(hook);
    };
    u64 at = 0;
    for (const PhysRange& r : mapped_) {
        if (r.start.value > at) add(at, r.start.value - 1);
        at = r.end().value;
    }
    if (at != 0 || mapped_.empty()) add(at, ~u64{0});
    holes_watched_ = true;
}

void Engine::map_memory(PhysRange range, void* host) {
    check(uc_mem_map_ptr(uc_, range.start.value, range.size, UC_PROT_ALL, host), "cannot map memory");
    mapped_.push_back(range);
    holes_watched_ = false;
}

void Engine::map_mmio(PhysRange range, MmioHandler& handler) {
    Window& w = windows_.emplace_back(Window{this, &handler, range.start});
    check(uc_mmio_map(uc_, range.start.value, range.size, EngineCallbacks::mmio_read, &w, EngineCallbacks::mmio_write,
                      &w),
          "cannot map registers");
    mapped_.push_back(range);
    holes_watched_ = false;
}

CpuStop Engine::run(u64 until) {
    check(uc_ctl_set_exits(uc_, &until, 1), "cannot set where to stop");
    CpuStop stop = run();
    check(uc_ctl_set_exits(uc_, &until, 0), "cannot set where to stop");
    if (stop.kind == CpuStop::Kind::kHalted && stop.pc == until) stop.kind = CpuStop::Kind::kUntil;
    return stop;
}

CpuStop Engine::run() {
    if (!holes_watched_) watch_holes();
    stop_ = {};
    stopped_by_trap_ = false;
    requested_.store(false, std::memory_order_relaxed);
    running_.store(true, std::memory_order_relaxed);
    const uc_err error = uc_emu_start(uc_, pc(), 0, 0, 0);
    running_.store(false, std::memory_order_relaxed);
    if (thrown_ != nullptr) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (!stopped_by_trap_) {
        check(error, "the CPU stopped for an unknown reason");
        stop_.pc = pc();
        const bool requested = requested_.load(std::memory_order_relaxed);
        stop_.kind = requested ? CpuStop::Kind::kRequested : CpuStop::Kind::kHalted;
        return stop_;
    }
    if (stop_.kind == CpuStop::Kind::kTimeRead) return stop_;
    stop_.pc = pc();
    if (stop_.kind == CpuStop::Kind::kException) complete_exception();
    return stop_;
}

// Neither the error code nor ESR_EL1 and FAR_EL1 are registers that Unicorn shows, but a saved context holds them.
void Engine::keep_exception_bytes() {
    uc_context* context = nullptr;
    if (uc_context_alloc(uc_, &context) != UC_ERR_OK) return;
    exception_bytes_.resize(uc_context_size(uc_));
    if (uc_context_save(uc_, context) == UC_ERR_OK)
        std::memcpy(exception_bytes_.data(), context, exception_bytes_.size());
    uc_context_free(context);
}

void Engine::complete_exception() {
    const ContextLayout& layout = context_layout(isa_);
    if (!layout.known || exception_bytes_.empty()) return;
    const std::vector<u8>& bytes = exception_bytes_;
    u32 code = 0;
    std::memcpy(&code, bytes.data() + layout.code, sizeof(code));
    stop_.code = code;
    if (isa_ == Isa::kX86_64) {
        const bool has_code =
            stop_.vector == 8 || (stop_.vector >= 10 && stop_.vector <= kVectorPageFault) || stop_.vector == 17;
        if (!has_code) stop_.code = 0;
        if (stop_.vector == kVectorPageFault) stop_.address = reg(UC_X86_REG_CR2);
        return;
    }
    const bool abort = stop_.vector == kArmPrefetchAbort || stop_.vector == kArmDataAbort;
    if (abort) std::memcpy(&stop_.address, bytes.data() + layout.address, sizeof(stop_.address));
    stop_.vector = static_cast<u32>(class_of(code));
}

void Engine::request_stop() {
    requested_.store(true, std::memory_order_relaxed);
    uc_emu_stop(uc_);
}

u64 Engine::pc() const { return reg(pc_id(isa_)); }
void Engine::set_pc(u64 pc) { set_reg(pc_id(isa_), pc); }
u64 Engine::sp() const { return reg(isa_ == Isa::kX86_64 ? int{UC_X86_REG_RSP} : int{UC_ARM64_REG_SP}); }
u64 Engine::frame_pointer() const { return reg(isa_ == Isa::kX86_64 ? int{UC_X86_REG_RBP} : int{UC_ARM64_REG_X29}); }

u64 Engine::reg(int id) const {
    u64 value = 0;
    check(uc_reg_read(uc_, id, &value), "cannot read a register");
    return value;
}

void Engine::set_reg(int id, u64 value) { check(uc_reg_write(uc_, id, &value), "cannot write a register"); }

void Engine::flush_code() {
    check(uc_ctl_flush_tb(uc_), "cannot drop translated code");
    ++code_epoch_;
}

void Engine::flush_tlb() { check(uc_ctl_flush_tlb(uc_), "cannot flush the TLB"); }

Engine::Hook Engine::on_code(u64 first, u64 last, CodeCallback callback) {
    Hook hook;
    hook.body_ = std::make_unique<Hook::Body>(Hook::Body{this, 0, std::move(callback), {}});
    check(uc_hook_add(uc_, &hook.body_->handle, UC_HOOK_CODE, reinterpret_cast<void*>(EngineCallbacks::code),
                      hook.body_.get(), first, last),
          "cannot add a code hook");
    return hook;
}

Engine::Hook Engine::on_block(BlockCallback callback) {
    Hook hook;
    hook.body_ = std::make_unique<Hook::Body>(Hook::Body{this, 0, {}, std::move(callback)});
    check(uc_hook_add(uc_, &hook.body_->handle, UC_HOOK_BLOCK, reinterpret_cast<void*>(EngineCallbacks::block),
                      hook.body_.get(), 1, 0),
          "cannot add a block hook");
    return hook;
}

Engine::Hook& Engine::Hook::operator=(Hook&& other) noexcept {
    std::swap(body_, other.body_);
    return *this;
}

void Engine::Hook::remove() {
    if (body_ == nullptr) return;
    // Unicorn drops the translations at the hook's addresses, and raises a page fault in the CPU where these are no
    // longer mapped: CR2 would change, and on x86-64 the guest's next fault would be a double fault.
    Engine& engine = *body_->engine;
    const Context before = engine.save_context();
    uc_hook_del(engine.uc_, body_->handle);
    engine.restore_context(before);
    body_.reset();
}

Engine::Context Engine::save_context() const {
    uc_context* context = nullptr;
    check(uc_context_alloc(uc_, &context), "cannot allocate a context");
    Context owned(context);
    check(uc_context_save(uc_, context), "cannot save the CPU");
    return owned;
}

void Engine::restore_context(const Context& context) {
    check(uc_context_restore(uc_, context.context_), "cannot restore the CPU");
}

Engine::Context::~Context() {
    if (context_ != nullptr) uc_context_free(context_);
}

}  // namespace baton::sim
