// SPDX-License-Identifier: GPL-2.0-only
// The Kernel object: everything one kernel knows, in emulated RAM at a fixed place of its image (decisions D1, D4).
//
// There is no other state. It holds no host pointer and no virtual address; a machine can be saved with it, loaded
// elsewhere, and the kernel goes on. `kernel_main` builds it from the image header and the boot protocol alone.
#pragma once

#include <string_view>

#include "model/boot/boot.hpp"
#include "model/command.hpp"
#include "model/defects.hpp"
#include "model/drivers/drivers.hpp"
#include "model/files.hpp"
#include "model/geometry.hpp"
#include "model/image_header.hpp"
#include "model/kexec/kexec.hpp"
#include "model/kho/kho.hpp"
#include "model/mm/alloc_failure.hpp"
#include "model/mm/fence_pool.hpp"
#include "model/mm/memblock.hpp"
#include "model/mm/numa.hpp"
#include "model/mm/page_alloc.hpp"
#include "model/mm/small.hpp"
#include "model/mm/vm_area.hpp"
#include "model/rules.hpp"

namespace baton {

/// From the image header: what kind of kernel this is.
struct KernelConfig {
    u32 geometry;    // GeometryId
    u32 generation;  // Generation
    u32 kexec_base;  // KexecBase
    u32 options;     // ImageOption bits
    u64 cma_align;   // bytes
    u64 defects[2];

    bool defect(Defect d) const {
        const u32 bit = static_cast<u32>(d);
        return (defects[bit / 64] >> (bit % 64) & 1) != 0;
    }
    bool option(ImageOption o) const { return (options & o) != 0; }
};
KernelConfig config_of(const ImageHeader& header);

struct Kernel {
    u64 magic;  // kKernelMagic once kernel_main runs
    KernelConfig config;
    PhysAddr image;  // first byte of the image in memory
    u64 image_size;
    PhysAddr loaded;      // where the image was when the kernel was entered: not `image` if KASLR moved it
    ImageHeader header;   // copy
    PhysAddr memstart;    // AArch64: physical address mapped at the direct map's base; 0 on x86-64
    PhysAddr page_table;  // root
    PhysAddr stack;       // kernel stack of CPU 0, 16 KiB (idle natively)
    PhysAddr per_cpu;     // per-CPU area of CPU 0
    BootInfo boot;
    Memblock memblock;
    NumaState numa;
    PageAllocator pages;
    AllocFailure alloc_failure;
    SmallAllocator small;
    FencePool fence;
    VmAreas vm_areas;
    KhoState kho;
    ReserveMem reserve_mem;
    KexecState kexec;
    Files files;
    DriverState drivers;
    Mailbox mailbox;
    u64 executed;  // sequence number of the last command

    const Rules& rules() const { return rules_for(static_cast<Generation>(config.generation)); }
    bool defect(Defect d) const { return config.defect(d); }
    bool option(ImageOption o) const { return config.option(o); }
    std::string_view command_line() const {
        const u32 max = sizeof(boot.command_line) - 1;
        return {boot.command_line, boot.command_line_bytes < max ? boot.command_line_bytes : max};
    }
};
inline constexpr u64 kKernelMagic = 0x4c454e52454b5442;  // "BTKERNEL"
static_assert(ram_resident<Kernel>);
static_assert(sizeof(Kernel) <= kKernelSizeMax);

/// Natively a look-up; in a guest image, which is built for one geometry, a constant (decision D5).
inline const Geometry& geometry(const Kernel& k) {
    return platform::target_geometry(static_cast<GeometryId>(k.config.geometry));
}

/// Entry of a kernel: `image` is where its first byte lies, `header` its ImageHeader, `argument` what the boot protocol
/// passes (zero page on x86-64, device tree on AArch64). `loaded` is 0, or where an image that moved itself was before.
/// Boots, then executes commands for ever.
[[noreturn]] void kernel_main(PhysAddr image, PhysAddr header, u64 argument, PhysAddr loaded = {});
/// The command loop of a booted kernel: where a restored machine continues. No state is on the stack.
[[noreturn]] void kernel_resume(PhysAddr kernel);

/// Executes one command (commands.cpp): errno and values into `reply`. Op::kExec does not return when it succeeds.
void execute(Kernel& k, const Command& command, Reply& reply);

}  // namespace baton
