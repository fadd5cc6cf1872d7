// SPDX-License-Identifier: GPL-2.0-only
#include "model/drivers/access.hpp"

#include "model/text.hpp"

namespace baton::drivers {

namespace {
inline constexpr u32 kPollsMax = 1000;  // then the driver gives up, as real ones do after their time-out

void program_iommu(const Kernel& k, const DmaMapping& m, device::IommuCommand what) {
    if (k.drivers.iommu == 0) return;
    const PhysAddr base = device::bus_map(geometry(k).isa).iommu;
    write32(base + device::kIommuDevice, m.slot);
    write64(base + device::kIommuBus, m.bus);
    write64(base + device::kIommuPhys, m.range.start.value);
    write64(base + device::kIommuBytes, m.range.size);
    write32(base + device::kIommuCommand, static_cast<u32>(what));
}

// An adopted list holds entries that this kernel did not make.
bool iommu_has_room(const Kernel& k) {
    if (k.drivers.iommu == 0) return true;
    return read32(device::bus_map(geometry(k).isa).iommu + device::kIommuEntries) < device::kIommuEntriesMax;
}

// What a schedule point can say of a mapping: 56 bits of size, the slot above them.
u64 size_and_slot(const DmaMapping& m) { return m.range.size | static_cast<u64>(m.slot) << 56; }
}  // namespace

u32 read32(PhysAddr reg) {
    platform::charge(Work::kMmio, 1);
    return static_cast<u32>(platform::mmio_read(reg, 4));
}
u64 read64(PhysAddr reg) {
    platform::charge(Work::kMmio, 1);
    return platform::mmio_read(reg, 8);
}
void write32(PhysAddr reg, u32 value) {
    platform::charge(Work::kMmio, 1);
    platform::mmio_write(reg, 4, value);
}
void write64(PhysAddr reg, u64 value) {
    platform::charge(Work::kMmio, 1);
    platform::mmio_write(reg, 8, value);
}

PhysAddr config_of(const Kernel& k, u32 slot) {
    return device::bus_map(geometry(k).isa).config + slot * device::kPageBytes;
}

void set_bus_master(const Kernel& k, u32 slot, bool on) {
    const PhysAddr reg = config_of(k, slot) + device::kConfigCommand;
    const u32 old = read32(reg) & 0xffff;
    const u32 bit = device::kCommandBusMaster;
    write32(reg, on ? old | bit : old & ~bit);
    if (on) platform::at(Site::kDeviceBusMasterOn, slot);
}

bool option_is(const Kernel& k, std::string_view key, std::string_view word) {
    const auto option = text::last_option(k.command_line(), key);
    return option && option->value == word;
}

bool wait_clear(PhysAddr reg, u32 bits) {
    for (u32 i = 0; i < kPollsMax; ++i) {
        if ((read32(reg) & bits) == 0) return true;
        platform::relax();
    }
    return false;
}

Status map_dma(Kernel& k, const DmaMapping& mapping) {
    for (DmaMapping& m : k.drivers.mappings) {
        if (m.range.size != 0) continue;
        if (!iommu_has_room(k)) return fail(Errno::kENOSPC);
        m = mapping;
        ++k.drivers.mapping_count;
        if (mapping.user == 0) platform::own(mapping.range, Owner::kKernel, Owner::kDma);
        program_iommu(k, mapping, device::IommuCommand::kAdd);
        platform::at(Site::kDmaMap, mapping.range.start.value, size_and_slot(mapping));
        return {};
    }
    return fail(Errno::kENOSPC);
}

void unmap_dma(Kernel& k, u32 slot, bool user, PhysAddr only) {
    for (DmaMapping& m : k.drivers.mappings) {
        platform::charge(Work::kListLinks, 1);
        if (m.range.size == 0 || m.slot != slot || (m.user != 0) != user) continue;
        if (only.value != ~u64{0} && m.range.start != only) continue;
        const DmaMapping gone = m;
        m = {};
        --k.drivers.mapping_count;
        program_iommu(k, gone, device::IommuCommand::kRemove);
        platform::at(Site::kDmaUnmap, gone.range.start.value, size_and_slot(gone));
        if (!user) platform::own(gone.range, Owner::kDma, Owner::kKernel);
    }
}

void free_buffers(Kernel& k, u32 slot) {
    DeviceSlot& d = k.drivers.slots[slot];
    unmap_dma(k, slot, false);
    const u64 page = geometry(k).page_size();
    for (u32 i = 0; i < d.buffers; ++i) mm::free_run(k, d.buffer[i], div_round_up(d.buffer_bytes, page));
    if (d.ring.value != 0) mm::free_run(k, d.ring, 1);
    d.buffers = 0;
    d.ring = {};
}

}  // namespace baton::drivers
