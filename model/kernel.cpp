// SPDX-License-Identifier: GPL-2.0-only
// The life of one kernel: from its first line to the command loop (specs/kexec.md §9, §11.6; specs/kho.md §1.3).
//
// Everything it knows comes from two places: the header of the image it was entered at, and the bytes that the boot
// protocol points to. The order below is Linux's; each step is a schedule point, because devices do not wait.
#include "model/kernel.hpp"

#include "model/bits.hpp"
#include "model/mm/deferred.hpp"
#include "model/mm/early_alloc.hpp"
#include "model/mm/paging/paging.hpp"

namespace baton {
namespace {

inline constexpr u64 kStackBytes = 16 * kKiB;
inline constexpr u64 kPerCpuBytes = 64 * kKiB;

Kernel& construct(PhysAddr image, const ImageHeader& header, PhysAddr loaded) {
    Kernel& k = *ram::write<Kernel>(image + header.kernel_offset);
    k.magic = kKernelMagic;
    k.image = image;
    k.image_size = header.image_size;
    k.loaded = loaded.value != 0 ? loaded : image;
    k.header = header;
    k.config = config_of(header);
    return k;
}

// Memory a guest runs on; natively it is allocated and owned but idle (decision D8).
void allocate_boot_cpu(Kernel& k) {
    const u64 page = geometry(k).page_size();
    k.stack = mm::early_alloc_or_panic(k, AllocSite::kBootStack, {.size = align_up(kStackBytes, page), .align = page});
    k.per_cpu = mm::early_alloc_or_panic(k, AllocSite::kBootPerCpu, {.size = kPerCpuBytes, .align = page});
    platform::own({k.stack, align_up(kStackBytes, page)}, Owner::kNobody, Owner::kKernel);
    platform::own({k.per_cpu, kPerCpuBytes}, Owner::kNobody, Owner::kKernel);
}

void setup_arch(Kernel& k) {
    if (geometry(k).isa == Isa::kX86_64)
        boot::setup_x86_64(k);
    else
        boot::setup_aarch64(k);
    const Memblock& mb = k.memblock;
    platform::log(LogLevel::kInfo, Log::kBootMemory, mb.memory.total_size / kKiB, mb.memory.cnt,
                  mb.reserved.total_size / kKiB);
    paging::init_kernel_space(k);
    platform::at(Site::kBootPaging);
    allocate_boot_cpu(k);
}

void init_memory(Kernel& k) {
    reserve_mem::parse_options(k, k.command_line());
    platform::at(Site::kBootMemmap);
    mm::init_memmap(k);
    mm::fence::init(k, k.command_line());
    kho::memory_init(k);
    mm::free_all(k);
    platform::at(Site::kBootFreeAll);
    mm::init_deferred(k);
}

void run_initcalls(Kernel& k) {
    platform::at(Site::kBootInitcalls);
    drivers::init_iommu(k);
    kho::init(k);
    platform::at(Site::kKhoInit);
    reserve_mem::init(k);
    platform::at(Site::kReserveMem);
    drivers::probe(k);
}

}  // namespace

KernelConfig config_of(const ImageHeader& header) {
    const Geometry& g = geometry_of(static_cast<GeometryId>(header.geometry));
    return {.geometry = header.geometry,
            .generation = header.generation,
            .kexec_base = header.kexec_base,
            .options = header.options,
            .cma_align = header.cma_align_shift != 0 ? shl(1, header.cma_align_shift) : g.pageblock_bytes(),
            .defects = {header.defects[0], header.defects[1]}};
}

void kernel_main(PhysAddr image, PhysAddr header_at, u64 argument, PhysAddr loaded) {
    const auto header = ram::load<ImageHeader>(header_at);
    // The Kernel object lies in the image's bss, so clearing its room is what clearing bss is for a guest.
    ram::zero(image + header.kernel_offset, kKernelSizeMax);
    const Geometry& g = platform::target_geometry(static_cast<GeometryId>(header.geometry));
    if (g.isa == Isa::kX86_64 && loaded.value == 0) boot::randomise_x86_64(image, header, {argument});
    Kernel& k = construct(image, header, loaded);
    platform::at(Site::kKernelEntry, image.value, argument);
    platform::log(LogLevel::kInfo, Log::kBootStart, image.value, k.image_size / kKiB, k.config.generation);
    platform::own({image, k.image_size}, Owner::kNobody, Owner::kKernelImage);
    memblock::init(k.memblock, geometry(k).page_shift);
    k.boot.argument = {argument};
    setup_arch(k);
    init_memory(k);
    run_initcalls(k);
    const mm::MemoryCounts counts = mm::counts(k);
    platform::log(LogLevel::kInfo, Log::kBootDone, counts.free_pages, counts.managed_pages);
    platform::at(Site::kBootDone);
    kernel_resume(image + k.header.kernel_offset);
}

void kernel_resume(PhysAddr kernel) {
    for (;;) {
        platform::idle();
        Kernel& k = *ram::write<Kernel>(kernel);
        const u64 sequence = k.mailbox.command.sequence;
        if (sequence == k.executed) continue;
        k.executed = sequence;
        k.mailbox.reply = {.sequence = sequence, .error = 0, .padding = 0, .values = {}};
        execute(k, k.mailbox.command, k.mailbox.reply);
        platform::reply(sequence);
    }
}

}  // namespace baton
