// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/tiny_machine.hpp"

#include <xxhash.h>

#include <cstring>

#include "model/rules.hpp"
#include "sim/boot/loader.hpp"

namespace baton::test {

TinyMachine::TinyMachine(Isa isa, const sim::GuestConfig& config)
    : machine(isa == Isa::kX86_64 ? GeometryId::kX86_64 : GeometryId::kAArch64_4K, Target::kGuest, config, 64 * kMiB),
      isa_(isa),
      image_(isa == Isa::kX86_64 ? sim::kImageAtX86 : sim::kRamBaseArm + 2 * kMiB) {
    place();
}

void TinyMachine::place() {
    const bool x86 = isa_ == Isa::kX86_64;
    std::vector<u8> image(kKernelOffset);
    const std::span<const u8> code =
        x86 ? std::span<const u8>(kTinyX86) : std::span(reinterpret_cast<const u8*>(kTinyArm), sizeof(kTinyArm));
    std::copy(code.begin(), code.end(), image.begin() + 0x1000);
    if (x86) {
        const u8 jump[] = {0xe9, 0xfb, 0x0d, 0, 0};  // from 0x200 to 0x1000
        std::copy_n(jump, sizeof(jump), image.begin() + kEntryOffsetX86);
    } else {
        const u32 jump = 0x14000000 | 0x1000 / 4;
        std::memcpy(image.data(), &jump, sizeof(jump));
    }
    const ImageHeader header{.magic = kImageMagic,
                             .version = 1,
                             .geometry = static_cast<u32>(x86 ? GeometryId::kX86_64 : GeometryId::kAArch64_4K),
                             .isa = static_cast<u32>(isa_),
                             .page_shift = 12,
                             .generation = static_cast<u32>(Generation::k6_18),
                             .image_size = kImageSize,
                             .file_size = kKernelOffset,
                             .kernel_offset = kKernelOffset,
                             .text_offset = 0x1000,
                             .text_size = 0x1000,
                             .text_xxh3 = XXH3_64bits(image.data() + 0x1000, 0x1000)};
    std::memcpy(image.data() + (x86 ? kImageHeaderOffsetX86 : kImageHeaderOffsetArm), &header, sizeof(header));
    machine.guest_write(image_, image);
    if (!x86) return;
    // 1 GiB leaves 1:1, so that the port and holes are reached.
    u64 middle[4];
    for (u64 i = 0; i < std::size(middle); ++i) middle[i] = i << 30 | 0x83;
    const u64 root = (sim::kIdentityRoot.value + kFrameSize) | 3;
    const u64 gdt[4] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};
    machine.guest_write(sim::kIdentityRoot, {reinterpret_cast<const u8*>(&root), sizeof(root)});
    machine.guest_write(sim::kIdentityRoot + kFrameSize, {reinterpret_cast<const u8*>(middle), sizeof(middle)});
    machine.guest_write(sim::kBootGdt, {reinterpret_cast<const u8*>(gdt), sizeof(gdt)});
}

sim::Stop TinyMachine::run(TinyDeed deed) { return machine.enter(image_, deed); }

std::vector<u64> TinyMachine::reports() const {
    std::vector<u64> all;
    const std::string prefix = "kexec.load.begin ";
    for (const std::string& call : machine.calls)
        if (call.starts_with(prefix)) all.push_back(std::stoull(call.substr(prefix.size()), nullptr, 16));
    return all;
}

}  // namespace baton::test
