// SPDX-License-Identifier: GPL-2.0-only
// The steps on devices, one struct a kind (kinds: steps_devices.cpp). Devices are indices into Scenario::devices.
#pragma once

#include <optional>
#include <string>

#include "scenarios/engine/places.hpp"

namespace baton::scenarios::step {

/// What a driver is asked to do with a device: Op::kDevice.
struct DmaStart {
    u32 device = 0;
    bool own_buffer = true;
    PlaceName target;  // else
    u64 offset = 0;    // bytes into it
    u64 bytes = 0;
    u32 chunk = 0;
    u32 count = 0;  // 0 = until stopped
    u64 period_ns = 0;
    u64 stride = 0;  // 0 = the chunk
};
struct NicStart {
    u32 device = 0;
    u32 descriptors = 0;
    u64 buffer_bytes = 0;
    u64 period_ns = 0;
};
struct DeviceStop {
    u32 device = 0;
};
struct DeviceKeep {
    u32 device = 0;
};
/// Maps a region for an assigned device, its blocks one after the other from a bus address on.
struct Assign {
    u32 device = 0;
    std::string region;
    std::optional<u64> bus;  // nothing: physical addresses
};
struct Unassign {
    u32 device = 0;
    std::string region;
};
/// The virtual machine programs its device.
struct VmStart {
    u32 device = 0;
    std::string region;  // with `bus` absent, the physical addresses of its first block
    std::optional<u64> bus;
    u64 bytes = 0;  // 0: all of the region's first block
    u32 chunk = 0;
    u32 count = 0;
    u64 period_ns = 0;
    u64 stride = 0;
};
struct VmStop {
    u32 device = 0;
};

}  // namespace baton::scenarios::step
