// SPDX-License-Identifier: GPL-2.0-only
#include "sim/boot/loader.hpp"

#include "model/boot/x86_64/boot_params.hpp"
#include "sim/boot/placement.hpp"

namespace baton::sim {
namespace boot_loader {

void put(PhysicalMemory& memory, std::string_view what, PhysAddr at, std::span<const u8> bytes) {
    if (!memory.write(at, bytes))
        throw LoaderError(fmt::format("the {} ({} bytes) belongs at {:#x}, where the machine has no RAM for it", what,
                                      bytes.size(), at.value));
}

PhysRange place_initrd(const Room& room, u64 size, u64 page_bytes, PhysAddr floor, PhysAddr limit) {
    if (size == 0) return {};
    const auto at = room.highest(size, page_bytes, floor, limit);
    if (!at)
        throw LoaderError(
            fmt::format("an initrd of {} bytes does not fit between {:#x} and {:#x}", size, floor.value, limit.value));
    return {*at, size};
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
