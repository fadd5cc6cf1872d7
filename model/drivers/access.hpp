// SPDX-License-Identifier: GPL-2.0-only
// What drivers have in common: registers, mappings, waiting. Internal to model/drivers.
#pragma once

#include <string_view>

#include "model/bits.hpp"
#include "model/drivers/drivers.hpp"
#include "model/kernel.hpp"

namespace baton::drivers {

u32 read32(PhysAddr reg);
u64 read64(PhysAddr reg);
void write32(PhysAddr reg, u32 value);
void write64(PhysAddr reg, u64 value);

/// Configuration page of a slot.
PhysAddr config_of(const Kernel& k, u32 slot);
void set_bus_master(const Kernel& k, u32 slot, bool on);
/// True if the command line has `key=word`.
bool option_is(const Kernel& k, std::string_view key, std::string_view word);

/// Reads a register until none of `bits` is set; every turn lets what is on its way arrive. False: it never happened.
bool wait_clear(PhysAddr reg, u32 bits);

/// Makes a range reachable for a device at a bus address. ENOSPC: the table is full.
Status map_dma(Kernel& k, const DmaMapping& mapping);
/// Takes back every mapping of a slot that is the driver's own (`user` false) or of a virtual machine, or that of one
/// range.
void unmap_dma(Kernel& k, u32 slot, bool user, PhysAddr only = {~u64{0}});

// Each kind of device (one file each).
Errno start_engine(Kernel& k, u32 slot, const Command& command);
/// Programs an engine and sets it going. EINVAL: it says that this is no program.
Errno arm_engine(DeviceSlot& d, u64 bus, const Command& command);
bool quiesce_engine(const DeviceSlot& d);
Errno start_nic(Kernel& k, u32 slot, const Command& command);
bool quiesce_nic(const Kernel& k, const DeviceSlot& d);
/// Buffers of a device that is stopped go back.
void free_buffers(Kernel& k, u32 slot);
Errno map_user(Kernel& k, u32 slot, const Command& command, Reply& reply);
/// The mapping that begins at `start`, and its pins. EINVAL: there is none.
Errno unmap_user(Kernel& k, u32 slot, PhysAddr start);

}  // namespace baton::drivers
