// SPDX-License-Identifier: GPL-2.0-only
// Driver of the DMA engine. Its target is memory of somebody that the caller names, or a buffer of its own.
#include "model/drivers/access.hpp"

namespace baton::drivers {

// The pattern is the address: what lies where tells who wrote it.
Errno arm_engine(DeviceSlot& d, u64 bus, const Command& command) {
    using namespace device;
    write64(d.registers + kDmaAddress, bus);
    write64(d.registers + kDmaLength, command.args[3]);
    write64(d.registers + kDmaPattern, bus);
    write64(d.registers + kDmaCount, command.args[4] >> 32);
    write64(d.registers + kDmaPeriod, command.args[5] & ~u32{0});
    write64(d.registers + kDmaStride, command.args[5] >> 32);
    write32(d.registers + kDmaChunk, static_cast<u32>(command.args[4]));
    write32(d.registers + kDmaControl, kEngineArm);
    d.running = (read32(d.registers + kDmaStatus) & kEngineBadProgram) == 0 ? 1 : 0;
    return d.running != 0 ? Errno::kOk : Errno::kEINVAL;
}

Errno start_engine(Kernel& k, u32 slot, const Command& command) {
    DeviceSlot& d = k.drivers.slots[slot];
    const u64 bytes = command.args[3];
    PhysAddr target{command.args[2]};
    if (bytes == 0 || bytes > kGiB) return Errno::kEINVAL;
    if (target.value == kOwnBuffer) {
        const u64 pages = div_round_up(bytes, geometry(k).page_size());
        const auto buffer = mm::alloc_run(k, pages, kAllocZero, AllocSite::kDmaBuffer);
        if (!buffer) return buffer.error();
        target = *buffer;
        d.buffer[0] = target;
        d.buffers = 1;
        d.buffer_bytes = bytes;
        const PhysRange range{target, pages * geometry(k).page_size()};
        if (const Status mapped = map_dma(k, {range, target.value, slot, 0}); !mapped) {
            free_buffers(k, slot);
            return mapped.error();
        }
    }
    const Errno armed = arm_engine(d, target.value, command);
    if (armed != Errno::kOk) free_buffers(k, slot);
    return armed;
}

bool quiesce_engine(const DeviceSlot& d) {
    write32(d.registers + device::kDmaControl, device::kEngineStop);
    return wait_clear(d.registers + device::kDmaStatus, device::kEngineRunning | device::kEngineBusy);
}

}  // namespace baton::drivers
