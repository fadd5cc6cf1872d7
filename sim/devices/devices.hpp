// SPDX-License-Identifier: GPL-2.0-only
// The device zoo, one class a file; devices.cpp is the table.
#pragma once

#include "sim/devices/device.hpp"

namespace baton::sim {

std::unique_ptr<Device> make_dma_engine(const DeviceTraits& traits);
std::unique_ptr<Device> make_assigned(const DeviceTraits& traits);
std::unique_ptr<Device> make_nic(const DeviceTraits& traits);

}  // namespace baton::sim
