// SPDX-License-Identifier: GPL-2.0-only
// The bus: which slots hold what, and who drives it (specs/iommu.md §5, §7).
//
// pci_drain=on: after bus mastering is off, wait for what the device has sent already; Linux does not. pci_inherit=on:
// a device whose bus mastering is on at probe was handed over and is left alone; else it is reset first.
#include "model/drivers/access.hpp"

namespace baton::drivers {
namespace {

using device::Kind;

void reset(const Kernel& k, u32 slot) {
    // One dword: the status half is read-only.
    write32(config_of(k, slot) + device::kConfigDeviceControl, device::kControlFlr);
}

void probe_slot(Kernel& k, u32 slot, u32 id) {
    DeviceSlot& d = k.drivers.slots[slot];
    const u32 kind = id >> 16;
    if ((id & 0xffff) != device::kVendor || kind == 0 || kind >= static_cast<u32>(Kind::kCount)) return;
    platform::at(Site::kDeviceProbe, slot, kind);
    platform::log(LogLevel::kInfo, Log::kDeviceFound, slot, kind);
    d.registers = {read64(config_of(k, slot) + device::kConfigBar0)};
    d.kind = kind;
    const u32 command = read32(config_of(k, slot) + device::kConfigCommand);
    if ((command & device::kCommandBusMaster) != 0 && option_is(k, "pci_inherit", "on")) {
        d.inherited = 1;
        d.running = 1;
        return;
    }
    // A4: what the device still holds from before goes out before the reset.
    if (k.defect(Defect::kA4)) [[unlikely]]
        set_bus_master(k, slot, true);
    reset(k, slot);
    set_bus_master(k, slot, true);
}

bool quiesce(const Kernel& k, const DeviceSlot& d) {
    return static_cast<Kind>(d.kind) == Kind::kNic ? quiesce_nic(k, d) : quiesce_engine(d);
}

void tell_to_stop(const DeviceSlot& d) {
    if (static_cast<Kind>(d.kind) == Kind::kNic)
        write32(d.registers + device::kNicControl, 0);
    else
        write32(d.registers + device::kDmaControl, device::kEngineStop);
}

Errno stop(Kernel& k, u32 slot) {
    DeviceSlot& d = k.drivers.slots[slot];
    if (d.running == 0) return Errno::kEINVAL;
    bool quiet = true;
    // A1: buffers are freed under a device that was told to stop but not waited for.
    if (k.defect(Defect::kA1)) [[unlikely]]
        tell_to_stop(d);
    else
        quiet = quiesce(k, d);
    if (!quiet) platform::log(LogLevel::kWarn, Log::kDeviceBusy, slot);
    d.running = 0;
    free_buffers(k, slot);
    return Errno::kOk;
}

// A kernel never waits for a device that belongs to a virtual machine: VFIO has no shutdown handler.
void shutdown_device(Kernel& k, u32 slot) {
    const DeviceSlot& d = k.drivers.slots[slot];
    // A2: the driver has no shutdown handler.
    if (k.defect(Defect::kA2)) [[unlikely]]
        return;
    if (d.running == 0 || static_cast<Kind>(d.kind) == Kind::kAssigned) return;
    if (!quiesce(k, d)) platform::log(LogLevel::kWarn, Log::kDeviceBusy, slot);
}

// What it takes for a verb to make sense: the kind, and whether the device runs.
Errno allowed(const DeviceSlot& d, DeviceVerb verb) {
    const auto kind = static_cast<Kind>(d.kind);
    if (kind == Kind::kNone) return Errno::kENODEV;
    const bool is_assigned = kind == Kind::kAssigned;
    bool fits = true;
    bool starts = false;
    switch (verb) {
        case DeviceVerb::kStartEngine: fits = starts = kind == Kind::kDmaEngine; break;
        case DeviceVerb::kStartNic: fits = starts = kind == Kind::kNic; break;
        case DeviceVerb::kStop: fits = !is_assigned; break;
        case DeviceVerb::kRunGuest: fits = starts = is_assigned; break;
        case DeviceVerb::kMapUser:
        case DeviceVerb::kUnmapUser:
        case DeviceVerb::kHaltGuest: fits = is_assigned; break;
        case DeviceVerb::kKeep:
        case DeviceVerb::kResult: break;
        case DeviceVerb::kCount: fits = false; break;
    }
    if (!fits) return Errno::kEINVAL;
    return starts && d.running != 0 ? Errno::kEBUSY : Errno::kOk;
}

}  // namespace

void probe(Kernel& k) {
    if (!k.option(kOptionDevices)) return;
    for (u32 slot = 0; slot < device::kSlots; ++slot) {
        const u32 id = read32(config_of(k, slot) + device::kConfigId);
        if (id != device::kAbsent) probe_slot(k, slot, id);
    }
    k.drivers.probed = 1;
}

void shutdown(Kernel& k) {
    for (u32 slot = device::kSlots; slot-- > 0;) {
        const DeviceSlot& d = k.drivers.slots[slot];
        if (d.kind == 0) continue;
        platform::at(Site::kDeviceShutdown, slot, d.kind);
        if (d.kept != 0) continue;
        // A5: the walk over the devices misses them.
        if (k.defect(Defect::kA5)) [[unlikely]]
            continue;
        shutdown_device(k, slot);
        set_bus_master(k, slot, false);
        platform::at(Site::kDeviceBusMasterOff, slot, d.kind);
        if (!option_is(k, "pci_drain", "on")) continue;
        const u32 pending = static_cast<u32>(device::kStatusPending) << 16;
        if (!wait_clear(config_of(k, slot) + device::kConfigDeviceControl, pending))
            platform::log(LogLevel::kWarn, Log::kDeviceBusy, slot);
    }
}

Errno control(Kernel& k, const Command& command, Reply& reply) {
    const auto verb = static_cast<DeviceVerb>(command.args[0]);
    const u64 slot = command.args[1];
    if (command.args[0] >= static_cast<u64>(DeviceVerb::kCount)) return Errno::kEINVAL;
    if (slot >= device::kSlots) return Errno::kENODEV;
    const u32 n = static_cast<u32>(slot);
    DeviceSlot& d = k.drivers.slots[n];
    if (const Errno e = allowed(d, verb); e != Errno::kOk) return e;
    switch (verb) {
        case DeviceVerb::kStartEngine: return start_engine(k, n, command);
        case DeviceVerb::kStartNic: return start_nic(k, n, command);
        case DeviceVerb::kStop: return stop(k, n);
        case DeviceVerb::kMapUser: return map_user(k, n, command, reply);
        case DeviceVerb::kUnmapUser: return unmap_user(k, n, {command.args[2]});
        case DeviceVerb::kRunGuest: return arm_engine(d, command.args[2], command);
        case DeviceVerb::kHaltGuest:
            if (!quiesce_engine(d)) return Errno::kEBUSY;
            d.running = 0;
            return Errno::kOk;
        case DeviceVerb::kKeep: d.kept = 1; return Errno::kOk;
        case DeviceVerb::kResult:
            reply.values[0] = read64(d.registers + (static_cast<Kind>(d.kind) == Kind::kNic ? u64{device::kNicPosted}
                                                                                            : u64{device::kDmaPosted}));
            return Errno::kOk;
        case DeviceVerb::kCount: break;
    }
    return Errno::kEINVAL;
}

}  // namespace baton::drivers
