// SPDX-License-Identifier: GPL-2.0-only
// model/platform.hpp for kernels that run on an emulated CPU: every call is a record in the port window and one store
// to the doorbell (model/port.hpp). What only the CPU can do is done by firmware/<isa>/cpu.cpp.
#include "model/platform.hpp"

#include <array>

#include "firmware/cpu.hpp"
#include "model/kernel.hpp"

namespace baton::platform {
namespace {

u32 calls_made = 0;
PhysAddr image_at;
// What the entry code itself costs is nobody's work: the twin on the host charges none of it.
bool kernel_runs = false;

inline constexpr u32 kArgsMax = sizeof(PortRecord::args) / sizeof(u64);

template <class... Args>
u64 call(PortOp op, Args... args) {
    const std::array<u64, kArgsMax> values{static_cast<u64>(args)...};
    volatile PortRecord& record = *in_window<volatile PortRecord>(kPort.record);
    const u32 sequence = ++calls_made;
    record.op = static_cast<u32>(op);
    record.sequence = sequence;
    for (u32 i = 0; i < sizeof...(args); ++i) record.args[i] = values[i];
    cpu::store_barrier();
    *in_window<volatile u32>(kPort.doorbell) = sequence;
    return record.result;
}

template <class T>
T& device_register(PhysAddr reg) {
    return *in_window<T>(reg);
}

}  // namespace

void at(Site site, u64 arg0, u64 arg1) { call(PortOp::kAt, site, arg0, arg1); }
void charge(Work work, u64 amount) {
    if (kernel_runs) call(PortOp::kCharge, work, amount);
}
void own(PhysRange range, Owner from, Owner to) { call(PortOp::kOwn, range.start.value, range.size, from, to); }

// An emulator splits an access of 8 bytes in two, which would be two schedule points: those go through the port.
u64 mmio_read(PhysAddr reg, u32 width) {
    switch (width) {
        case 1: return device_register<const volatile u8>(reg);
        case 2: return device_register<const volatile u16>(reg);
        case 4: return device_register<const volatile u32>(reg);
        default: return call(PortOp::kMmioRead, reg.value, width);
    }
}

void mmio_write(PhysAddr reg, u32 width, u64 value) {
    switch (width) {
        case 1: device_register<volatile u8>(reg) = static_cast<u8>(value); break;
        case 2: device_register<volatile u16>(reg) = static_cast<u16>(value); break;
        case 4: device_register<volatile u32>(reg) = static_cast<u32>(value); break;
        default: call(PortOp::kMmioWrite, reg.value, width, value); break;
    }
}

PhysAddr phys_in_image(const void* p) {
    return image_at + (reinterpret_cast<u64>(p) - kTargetGeometry.kernel_text_base);
}

// The copy is on this stack, whatever the caller's Jump is part of; good until the CPU goes on.
void jump(const Jump& jump) {
    const Jump copy = jump;
    call(PortOp::kJump, phys_in_image(&copy).value);
    cpu::leave(jump);
}

void enter(PhysAddr image, u64 argument, PhysAddr loaded) {
    call(PortOp::kEnter, image.value);
    cpu::enter(image, argument, loaded);
}

void log(LogLevel level, Log id, u64 a, u64 b, u64 c, u64 d) { call(PortOp::kLog, level, id, a, b, c, d); }
void panic(Log id, u64 a, u64 b, u64 c) {
    call(PortOp::kPanic, id, a, b, c);
    cpu::halt();
}
void assert_failed(u32 file, u32 line) {
    call(PortOp::kAssert, file, line);
    cpu::halt();
}
void warn(u32 file, u32 line) { call(PortOp::kWarn, file, line); }
void page_fault(PhysAddr address, u64 bytes) {
    call(PortOp::kPageFault, address.value, bytes);
    cpu::halt();
}

u64 now() { return call(PortOp::kNow); }
u64 random(u32 stream) { return call(PortOp::kRandom, stream); }
void relax() { call(PortOp::kRelax); }
void barrier() { cpu::barrier(); }
void cache_clean(PhysRange range) { cpu::cache_clean(range); }
void tlb_flush() { cpu::tlb_flush(); }
std::byte* mapped(const Geometry&, PhysAddr, VirtAddr va, u64) { return reinterpret_cast<std::byte*>(va.value); }
// The host hears of it through the tables it hears of.
void load_root(PhysAddr table, u32 asid) {
    cpu::load_root(table, asid);
    call(PortOp::kLoadRoot, table.value, asid);
}
u32 cpu_id() { return 0; }

void reply(u64 sequence) { call(PortOp::kReply, sequence); }
void idle() { call(PortOp::kIdle); }

extern "C" {

// Called by entry.S, on the boot stack, with the direct map, the image and the port window mapped.
[[noreturn]] void firmware_start(u64 image, u64 header, u64 argument, u64 loaded) {
    kernel_runs = true;
    image_at = {image};
    kernel_main({image}, {header}, argument, {loaded});
}

// firmware/runtime/failure.c.
[[noreturn]] void runtime_failure(u32 which) { assert_failed(file_id("./firmware/runtime/failure.c"), which); }

}  // extern "C"

}  // namespace baton::platform
