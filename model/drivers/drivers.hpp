// SPDX-License-Identifier: GPL-2.0-only
// Device drivers: probe, work, shutdown (specs/iommu.md §5, §7; specs/kexec.md §12, P3, P5, P11, P12).
//
// Kernels with kOptionDevices look at every slot of the bus at boot. A driver maps memory before a device may reach it
// and says so to the machine (Site::kDmaMap); with an IOMMU that takes lists it programs the entry too. What is done
// wrong, or left out, is a defect (model/defects.hpp).
#pragma once

#include "model/drivers/registers.hpp"
#include "model/ram.hpp"

namespace baton {
struct Kernel;
struct Reply;
struct Command;

inline constexpr u32 kDmaMappingsMax = 96;
inline constexpr u32 kNicBuffersMax = device::kNicEntriesMax;

/// Memory that a device may reach.
struct DmaMapping {
    PhysRange range;  // size 0: this entry is free
    u64 bus;          // address that the device uses
    u32 slot;
    u32 user;  // memory of a virtual machine, pinned; else the driver's own pages
};

struct DeviceSlot {
    u32 kind;  // device::Kind; kNone: no driver is bound
    u32 running;
    u32 inherited;  // found running, and left alone
    u32 kept;       // shutdown leaves it alone: it is handed over
    PhysAddr registers;
    PhysAddr ring;     // of a NIC
    u64 buffer_bytes;  // of a NIC: each; of a DMA engine: its own buffer
    u32 buffers;       // of a NIC
    u32 padding;
    PhysAddr buffer[kNicBuffersMax];  // of a DMA engine: the first, 0 = it was given somebody's memory
};

struct DriverState {
    u32 probed;
    u32 iommu;  // an IOMMU stage answers
    u64 mapping_count;
    DmaMapping mappings[kDmaMappingsMax];
    DeviceSlot slots[device::kSlots];
};

/// What Op::kDevice does to the device in slot args[1]; args[2] … args[5] follow.
enum class DeviceVerb : u64 {
    kStartEngine,  // target phys or kOwnBuffer, bytes, chunk | count << 32, period ns | stride << 32
    kStartNic,     // descriptors, bytes of a buffer, period ns
    kStop,         // quiesce, unmap, free
    kMapUser,      // phys, bytes, bus address: pins memory of userspace and maps it for an assigned device
    kUnmapUser,    // phys
    kRunGuest,     // bus address, then likewise: the virtual machine programs its device
    kHaltGuest,
    kKeep,    // the device is handed over: shutdown leaves it alone
    kResult,  // → value: writes made, as the device says
    kCount,
};

inline constexpr u64 kOwnBuffer = ~u64{0};

namespace drivers {

/// P11: the IOMMU is taken over. P12: every slot is looked at.
void init_iommu(Kernel& k);
void probe(Kernel& k);
/// Op::kDevice. ENODEV: no driver in that slot; EINVAL: not a thing this device does; EBUSY: running already; ENOMEM;
/// ENOSPC: no mapping left; EFAULT: not memory of userspace.
Errno control(Kernel& k, const Command& command, Reply& reply);
/// P3: each driver's shutdown, then bus mastering off, from the last slot to the first.
void shutdown(Kernel& k);
/// P5 (AArch64: end of P3): translation goes off, unless iommu_shutdown= says otherwise.
void shutdown_iommu(Kernel& k);
}  // namespace drivers
}  // namespace baton
