// SPDX-License-Identifier: GPL-2.0-only
// AArch64: an image, a device tree, an initrd, all in one run of RAM (specs/boot.md §6; specs/kexec.md §11.5).
#include <algorithm>
#include <optional>
#include <string>

#include "model/boot/aarch64/image.hpp"
#include "sim/boot/placement.hpp"

namespace baton::sim::boot_loader {
namespace {

inline constexpr u64 kImageOffset = 2 * kMiB;
inline constexpr u64 kTreeOffset = 128 * kMiB;
inline constexpr u64 kSmallMachine = 256 * kMiB;
inline constexpr u64 kInitrdWindow = 2 * kGiB;

struct Places {
    PhysRange kernel;
    PhysAddr tree;
    PhysRange initrd;
};

// Throws LoaderError: not in this run.
Places places_in(const Job& job, const Room& room, PhysRange run) {
    const u64 page = geometry_of(job.image.geometry()).page_size();
    const bool small = run.size < kSmallMachine;
    // The tree's place must not depend on its size: the initrd's addresses are in it. It lies in 2 MiB of its own.
    const u64 tree_bytes = std::max<u64>(64 * kKiB, job.map.device_tree.size() * 2);
    const u64 down = std::min(tree_bytes, run.size);
    const PhysAddr tree = small ? align_down(run.end() - down, boot::kDeviceTreeSizeMax)
                                : align_up(run.start + kTreeOffset, boot::kDeviceTreeSizeMax);
    // Image boundaries count from 0, and RAM may begin between two.
    const PhysRange kernel{align_up(run.start + 1, kImageOffset), job.image.header().image_size};
    if (kernel.end() > tree || tree < run.start)
        throw LoaderError(fmt::format("{} MiB of RAM are too little: the kernel takes [{:#x}, {:#x})",
                                      job.map.ram_bytes / kMiB, kernel.start.value, kernel.end().value));
    const PhysAddr top = std::min(run.end(), run.start + kInitrdWindow);
    const PhysRange initrd = small ? place_initrd(room, job.initrd.size(), page, kernel.end(), tree)
                                   : place_initrd(room, job.initrd.size(), page, tree + boot::kDeviceTreeSizeMax, top);
    return {kernel, tree, initrd};
}

Places find_places(const Job& job) {
    const Room room(job.map, geometry_of(job.image.geometry()).page_size());
    std::optional<LoaderError> first;
    for (const PhysRange& run : room.runs()) {
        try {
            return places_in(job, room, run);
        } catch (const LoaderError& e) {
            if (!first) first = e;
        }
    }
    throw first.value_or(LoaderError("this memory map has no whole page of RAM"));
}

}  // namespace

LoadedBoot load_aarch64(const Job& job) {
    const Places at = find_places(job);
    put(job.memory, "kernel", at.kernel.start, job.image.payload());
    put(job.memory, "initrd", at.initrd.start, job.initrd);
    const std::vector<u8> tree = device_tree(job.map, {.command_line = job.command_line, .initrd = at.initrd});
    put(job.memory, "device tree", at.tree, tree);
    return {.image = at.kernel.start,
            .argument = at.tree.value,
            .initrd = at.initrd,
            .device_tree = {at.tree, tree.size()},
            .tables = {}};
}

}  // namespace baton::sim::boot_loader
