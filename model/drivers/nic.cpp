// SPDX-License-Identifier: GPL-2.0-only
// Driver of the NIC's receive side: a ring of descriptors, a buffer each. It fills all but one of them, so that head
// and tail tell a full ring from an empty one.
#include "model/drivers/access.hpp"

namespace baton::drivers {
namespace {

Status fill_ring(Kernel& k, u32 slot, u32 descriptors) {
    DeviceSlot& d = k.drivers.slots[slot];
    const u64 page = geometry(k).page_size();
    const auto ring = mm::alloc_run(k, 1, kAllocZero, AllocSite::kDmaRing);
    if (!ring) return fail(ring.error());
    d.ring = *ring;
    if (const Status s = map_dma(k, {{d.ring, page}, d.ring.value, slot, 0}); !s) return s;
    for (u32 i = 0; i + 1 < descriptors; ++i) {
        const u64 pages = div_round_up(d.buffer_bytes, page);
        const auto buffer = mm::alloc_run(k, pages, kAllocZero, AllocSite::kDmaBuffer);
        if (!buffer) return fail(buffer.error());
        d.buffer[d.buffers++] = *buffer;
        if (const Status s = map_dma(k, {{*buffer, pages * page}, buffer->value, slot, 0}); !s) return s;
        const device::NicDescriptor filled{buffer->value, static_cast<u32>(d.buffer_bytes), device::kDescriptorFilled};
        ram::store(d.ring + i * sizeof(filled), filled);
    }
    return {};
}

}  // namespace

Errno start_nic(Kernel& k, u32 slot, const Command& command) {
    DeviceSlot& d = k.drivers.slots[slot];
    const u64 descriptors = command.args[2];
    d.buffer_bytes = command.args[3];
    if (descriptors < 2 || descriptors > device::kNicEntriesMax) return Errno::kEINVAL;
    if (d.buffer_bytes == 0 || d.buffer_bytes > kMiB || d.buffer_bytes % 8 != 0) return Errno::kEINVAL;
    if (const Status filled = fill_ring(k, slot, static_cast<u32>(descriptors)); !filled) {
        free_buffers(k, slot);
        return filled.error();
    }
    d.running = 1;
    write64(d.registers + device::kNicRing, d.ring.value);
    write32(d.registers + device::kNicEntries, static_cast<u32>(descriptors));
    write64(d.registers + device::kNicPeriod, command.args[4]);
    write32(d.registers + device::kNicTail, static_cast<u32>(descriptors - 1));
    write32(d.registers + device::kNicControl, device::kNicReceive);
    return Errno::kOk;
}

bool quiesce_nic(const Kernel& k, const DeviceSlot& d) {
    // M3: the index alone goes back; what the device has fetched already, it keeps.
    if (k.defect(Defect::kM3)) [[unlikely]] {
        write32(d.registers + device::kNicTail, read32(d.registers + device::kNicHead));
        return true;
    }
    write32(d.registers + device::kNicControl, 0);
    // M4: receiving has stopped, but not the completions that the device has yet to write.
    if (k.defect(Defect::kM4)) [[unlikely]]
        return wait_clear(d.registers + device::kNicStatus, device::kNicRunning);
    return wait_clear(d.registers + device::kNicStatus, device::kNicRunning | device::kNicBusy);
}

}  // namespace baton::drivers
