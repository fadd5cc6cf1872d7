// SPDX-License-Identifier: GPL-2.0-only
#include "bench/bare_guest.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "model/kernel.hpp"
#include "sim/boot/loader.hpp"
#include "sim/memory/state_hash.hpp"

namespace baton::bench {
namespace {

inline constexpr u64 kDirtyBytes = 2 * kMiB;

void check(uc_err error) {
    if (error != UC_ERR_OK) throw std::runtime_error(std::string("bare Unicorn: ") + uc_strerror(error));
}

}  // namespace

BareGuest::BareGuest(GeometryId geometry, u64 ram_bytes, u64 seed, Hook hook)
    : isa_(geometry_of(geometry).isa),
      port_(port_map(isa_)),
      seed_(seed),
      map_(isa_, ram_bytes),
      memory_(map_.ram),
      window_(kFrameSize, sim::HostMapping::Access::kReadWrite, "the port record"),
      record_(*reinterpret_cast<PortRecord*>(window_.data())) {
    PortRam& ram = *reinterpret_cast<PortRam*>(window_.data() + (port_.ram - port_.record));
    ram.count = memory_.view().range_count;
    std::copy_n(memory_.view().ranges, ram.count, ram.ranges);
    const bool x86 = isa_ == Isa::kX86_64;
    check(uc_open(x86 ? UC_ARCH_X86 : UC_ARCH_ARM64, x86 ? UC_MODE_64 : UC_MODE_ARM, &engine_));
    check(uc_ctl_set_cpu_model(engine_, x86 ? int{UC_CPU_X86_OPTERON_G4} : int{UC_CPU_ARM64_MAX}));
    check(uc_ctl_tlb_mode(engine_, UC_TLB_CPU));
    check(uc_ctl_exits_enable(engine_));  // there is no address at which a run is over
    const auto map_memory = [&](PhysAddr at, u64 bytes, void* host) {
        check(uc_mem_map_ptr(engine_, at.value, bytes, UC_PROT_ALL, host));
    };
    for (const PhysRange& r : memory_.ranges()) map_memory(r.start, r.size, memory_.view().base + r.start.value);
    map_memory(port_.dirty, kDirtyBytes, memory_.view().dirty);
    map_memory(port_.record, kFrameSize, window_.data());
    const u64 end = port_.window.value + port_.window_bytes;
    check(uc_mmio_map(engine_, port_.doorbell.value, end - port_.doorbell.value, &mmio_read, this, &mmio_write, this));
    uc_hook added = 0;
    if (hook == Hook::kBlocks)
        check(uc_hook_add(engine_, &added, UC_HOOK_BLOCK, reinterpret_cast<void*>(&on_block), this, 1, 0));
    if (hook == Hook::kInstructions)
        check(uc_hook_add(engine_, &added, UC_HOOK_CODE, reinterpret_cast<void*>(&on_instruction), this, 1, 0));
}

BareGuest::~BareGuest() { uc_close(engine_); }

void BareGuest::set(int reg, u64 value) { check(uc_reg_write(engine_, reg, &value)); }

// As sim/guest/runner.cpp enters a kernel (specs/boot.md §7).
void BareGuest::power_on(PhysAddr image, u64 argument) {
    if (isa_ == Isa::kX86_64) {
        uc_x86_msr efer{.rid = 0xc0000080, .value = 0xd01};
        check(uc_reg_write(engine_, UC_X86_REG_MSR, &efer));
        set(UC_X86_REG_CR4, 0x20);
        set(UC_X86_REG_CR3, sim::kIdentityRoot.value);
        set(UC_X86_REG_CR0, 0x80000033);
        uc_x86_mmr gdtr{.selector = 0, .base = sim::kBootGdt.value, .limit = 4 * sizeof(u64) - 1, .flags = 0};
        check(uc_reg_write(engine_, UC_X86_REG_GDTR, &gdtr));
        set(UC_X86_REG_CS, 0x10);
        for (const int s : {UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_SS, UC_X86_REG_FS, UC_X86_REG_GS}) set(s, 0x18);
        set(UC_X86_REG_RSI, argument);
        set(UC_X86_REG_RIP, image.value + kEntryOffsetX86);
    } else {
        for (const auto& [cp, value] :
             {std::pair<uc_arm64_cp_reg, u64>{{.crn = 1, .crm = 1, .op0 = 3, .op1 = 6, .op2 = 0, .val = 0}, 0x501},
              {{.crn = 1, .crm = 1, .op0 = 3, .op1 = 4, .op2 = 0, .val = 0}, u64{1} << 31},
              {{.crn = 1, .crm = 0, .op0 = 3, .op1 = 0, .op2 = 0, .val = 0}, 0x30500800}}) {
            uc_arm64_cp_reg reg = cp;
            reg.val = value;
            check(uc_reg_write(engine_, UC_ARM64_REG_CP_REG, &reg));
        }
        set(UC_ARM64_REG_PSTATE, 0x600003c5);
        set(UC_ARM64_REG_X0, argument);
        set(UC_ARM64_REG_PC, image.value);
    }
    check(uc_ctl_flush_tlb(engine_));
}

void BareGuest::run() {
    waits_ = false;
    u64 pc = 0;
    check(uc_reg_read(engine_, isa_ == Isa::kX86_64 ? int{UC_X86_REG_RIP} : int{UC_ARM64_REG_PC}, &pc));
    check(uc_emu_start(engine_, pc, 0, 0, 0));
    if (!waits_) throw std::runtime_error("bare Unicorn: the kernel stopped, and does not wait");
}

void BareGuest::mmio_write(uc_engine*, u64 offset, unsigned, u64 value, void* self) {
    BareGuest& g = *static_cast<BareGuest*>(self);
    if (offset != 0 || static_cast<u32>(value) == g.served_) return;
    g.served_ = static_cast<u32>(value);
    g.serve();
}

void BareGuest::serve() {
    switch (static_cast<PortOp>(record_.op)) {
        case PortOp::kNow: record_.result = 0; return;
        case PortOp::kRandom: {
            const u32 stream = static_cast<u32>(record_.args[0]);
            record_.result = randoms_.try_emplace(stream, seed_, stream).first->second.next();
            return;
        }
        case PortOp::kIdle: waits_ = true; [[fallthrough]];
        case PortOp::kJump:
        case PortOp::kPanic:
        case PortOp::kAssert:
        case PortOp::kPageFault: uc_emu_stop(engine_); return;
        default: return;
    }
}

void BareGuest::boot(const sim::ImageFile& image, std::string_view command_line) {
    const sim::LoadedBoot loaded = sim::load_for_boot(map_, memory_, image, command_line, {});
    kernel_ = loaded.image + kKernelOffset;
    power_on(loaded.image, loaded.argument);
    run();
}

Reply BareGuest::command(Op op, std::initializer_list<u64> args, std::string_view text) {
    Kernel& k = *reinterpret_cast<Kernel*>(memory_.claim({kernel_, sizeof(Kernel)}));
    Command& c = k.mailbox.command;
    c.sequence = k.executed + 1;
    c.op = static_cast<u32>(op);
    std::fill(std::begin(c.args), std::end(c.args), u64{0});
    std::copy(args.begin(), args.end(), c.args);
    c.text_bytes = static_cast<u32>(text.size());
    std::memset(c.text, 0, sizeof(c.text));
    std::ranges::copy(text, c.text);
    run();
    return k.mailbox.reply;
}

std::string BareGuest::ram_hash() {
    memory_.take_up_dirty(memory_.frame_count() / 64 + 1);  // what the guest marked, as sim/guest/runner.cpp does
    for (const PhysRange& r : memory_.ranges()) memory_.mark_ram(r);
    sim::RamHash hash(memory_);
    return hash.value().hex();
}

}  // namespace baton::bench
