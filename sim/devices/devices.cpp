// SPDX-License-Identifier: GPL-2.0-only
#include "sim/devices/devices.hpp"

#include <stdexcept>

namespace baton::sim {
namespace {

struct Row {
    device::Kind kind;
    std::unique_ptr<Device> (*make)(const DeviceTraits&);
};
constexpr Row kRows[] = {
    {device::Kind::kDmaEngine, make_dma_engine},
    {device::Kind::kNic, make_nic},
    {device::Kind::kAssigned, make_assigned},
};
static_assert(sizeof(kRows) / sizeof(kRows[0]) + 1 == static_cast<u32>(device::Kind::kCount));

}  // namespace

std::unique_ptr<Device> make_device(device::Kind kind, const DeviceTraits& traits) {
    for (const Row& row : kRows)
        if (row.kind == kind) return row.make(traits);
    throw std::logic_error("no such kind of device");
}

}  // namespace baton::sim
