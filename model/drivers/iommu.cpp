// SPDX-License-Identifier: GPL-2.0-only
// Driver of the IOMMU stage: taken over at boot, given up at shutdown (specs/iommu.md §7).
//
// iommu=off|pt|block|on: the mode while the kernel runs; without it the kernel has no such driver. iommu_adopt=on: one
// that is found on stays as it is, its entries too. iommu_shutdown=off|block|keep: as it is left; Linux turns it off.
#include "model/drivers/access.hpp"

namespace baton::drivers {
namespace {

using device::IommuMode;

void set_mode(const Kernel& k, IommuMode mode) {
    write32(device::bus_map(geometry(k).isa).iommu + device::kIommuMode, static_cast<u32>(mode));
}

}  // namespace

void init_iommu(Kernel& k) {
    struct Word {
        std::string_view word;
        IommuMode mode;
    };
    constexpr Word kWords[] = {
        {"pt", IommuMode::kPassThrough}, {"block", IommuMode::kBlockAll}, {"on", IommuMode::kAllowList}};
    for (const Word& w : kWords) {
        if (!option_is(k, "iommu", w.word)) continue;
        const PhysAddr base = device::bus_map(geometry(k).isa).iommu;
        if (read32(base + device::kIommuId) != device::kIommuPresent) return;
        k.drivers.iommu = w.mode == IommuMode::kAllowList ? 1 : 0;
        platform::at(Site::kIommuInit);
        const u32 found = read32(base + device::kIommuMode);
        platform::log(LogLevel::kInfo, Log::kIommuFound, found);
        if (found != static_cast<u32>(IommuMode::kOff)) {
            if (option_is(k, "iommu_adopt", "on")) return;
            set_mode(k, IommuMode::kOff);
            write32(base + device::kIommuCommand, static_cast<u32>(device::IommuCommand::kClear));
        }
        set_mode(k, w.mode);
        return;
    }
}

void shutdown_iommu(Kernel& k) {
    const PhysAddr base = device::bus_map(geometry(k).isa).iommu;
    if (!k.option(kOptionDevices) || read32(base + device::kIommuMode) == static_cast<u32>(IommuMode::kOff)) return;
    if (option_is(k, "iommu_shutdown", "keep")) return;
    set_mode(k, option_is(k, "iommu_shutdown", "block") ? IommuMode::kBlockAll : IommuMode::kOff);
}

}  // namespace baton::drivers
