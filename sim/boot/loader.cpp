// SPDX-License-Identifier: GPL-2.0-only
#include "sim/boot/loader.hpp"

#include "model/boot/x86_64/boot_params.hpp"
#include "sim/boot/placement.hpp"

namespace baton::sim {
namespace boot_loader {

void put(const Job& job, std::string_view what, PhysAddr at, std::span<const u8> bytes) {
    if (!job.memory.write(at, bytes))
        throw LoaderError(fmt::format("{} MiB of RAM are too little: the {} ({} bytes) belongs at {:#x}",
                                      job.map.ram_bytes / kMiB, what, bytes.size(), at.value));
}

PhysRange put_image(const Job& job, PhysAddr at, PhysAddr end) {
    const PhysRange range{at, job.image.header().image_size};
    if (range.end() > end)
        throw LoaderError(fmt::format("{} MiB of RAM are too little: the kernel takes [{:#x}, {:#x})",
                                      job.map.ram_bytes / kMiB, at.value, range.end().value));
    put(job, "kernel", at, job.image.payload());
    return range;
}

PhysRange put_initrd(const Job& job, PhysAddr floor, PhysAddr limit) {
    if (job.initrd.empty()) return {};
    const u64 page = geometry_of(job.image.geometry()).page_size();
    const u64 room = limit > floor ? limit - floor : 0;
    const u64 start = align_down(limit.value - std::min<u64>(job.initrd.size(), limit.value), page);
    if (job.initrd.size() > room || start < floor.value)
        throw LoaderError(fmt::format("an initrd of {} bytes does not fit between {:#x} and {:#x}", job.initrd.size(),
                                      floor.value, limit.value));
    put(job, "initrd", {start}, job.initrd);
    return {{start}, job.initrd.size()};
}

}  // namespace boot_loader

LoadedBoot load_for_boot(const MachineMap& map, PhysicalMemory& memory, const ImageFile& image,
                         std::string_view command_line, std::span<const u8> initrd) {
    if (image.isa() != map.isa) throw LoaderError("the image is for another ISA than the machine");
    if (command_line.size() > boot::kCommandLineSizeMax)
        throw LoaderError(
            fmt::format("a command line has at most {} bytes, not {}", boot::kCommandLineSizeMax, command_line.size()));
    if (command_line.find('\0') != std::string_view::npos) throw LoaderError("a command line cannot hold a NUL byte");
    const boot_loader::Job job{map, memory, image, command_line, initrd};
    return map.isa == Isa::kX86_64 ? boot_loader::load_x86_64(job) : boot_loader::load_aarch64(job);
}

}  // namespace baton::sim
