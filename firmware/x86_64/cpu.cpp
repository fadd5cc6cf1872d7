// SPDX-License-Identifier: GPL-2.0-only
// x86-64 instructions behind model/platform.hpp, and the way out (specs/kexec.md §7.3).
#include "firmware/cpu.hpp"

#include "firmware/x86_64/layout.h"
#include "model/image_header.hpp"
#include "model/port.hpp"

namespace baton {
namespace {

static_assert(ENTRY_OFFSET == kEntryOffsetX86 && MOVED_ENTRY_OFFSET == kMovedEntryOffsetX86);
static_assert(IMAGE_HEADER_OFFSET == kImageHeaderOffsetX86);
static_assert(KERNEL_OFFSET == kKernelOffset && BOOT_STACK_OFFSET == kBootStackOffset);
static_assert(platform::kTargetGeometry.direct_map_base == DIRECT_MAP_BASE);
static_assert(platform::kTargetGeometry.kernel_text_base == TEXT_BASE);
static_assert(WINDOW_VA == kWindowVaX86 && WINDOW_PHYS == kPortX86.window.value &&
              WINDOW_BYTES == kPortX86.window_bytes);

/// entry.S.
extern "C" [[noreturn]] void enter_image(u64 image, u64 argument, u64 loaded);

inline constexpr u64 kGlobalPages = 1 << 7;  // CR4.PGE

struct [[gnu::packed]] TableRegister {
    u16 limit;
    u64 base;
};

}  // namespace

namespace cpu {

// x86 stores reach memory in order, and the doorbell is uncached.
void store_barrier() { asm volatile("" ::: "memory"); }
void barrier() { asm volatile("mfence" ::: "memory"); }
// Caches are coherent with everything that reads memory.
void cache_clean(PhysRange) {}

// Reloading CR3 keeps global translations; changing CR4.PGE drops them too.
void tlb_flush() {
    u64 cr4;
    asm volatile("mov %%cr4, %0" : "=r"(cr4));
    asm volatile("mov %0, %%cr4" ::"r"(cr4 & ~kGlobalPages) : "memory");
    asm volatile("mov %0, %%cr4" ::"r"(cr4) : "memory");
}

void load_root(PhysAddr table, u32) {
    asm volatile("mov %0, %%cr3" ::"r"(table.value) : "memory");
    tlb_flush();
}

void leave(const platform::Jump& jump) {
    const u64 words[RELOCATION_WORDS] = {jump.control_page.value,
                                         reinterpret_cast<u64>(platform::direct_map(jump.control_page, 1)),
                                         jump.root.value, jump.swap_page.value};
    const TableRegister none{0, 0};
    const u32 data = DATA_SELECTOR;
    asm volatile(
        "cli\n\t"
        "mov %[data], %%ds\n\t"
        "mov %[data], %%es\n\t"
        "mov %[data], %%ss\n\t"
        "mov %[data], %%fs\n\t"
        "mov %[data], %%gs\n\t"
        "lidt %[none]\n\t"
        "lgdt %[none]\n\t"
        "call *%[relocate]\n\t"
        "ud2"
        :
        : [data] "r"(data), [none] "m"(none), [relocate] "r"(relocate_kernel), "D"(jump.head), "S"(words),
          "d"(jump.start.value), "c"(static_cast<u32>(jump.three_way_swap))
        : "memory");
    __builtin_unreachable();
}

void enter(PhysAddr image, u64 argument, PhysAddr loaded) { enter_image(image.value, argument, loaded.value); }

void halt() {
    for (;;) asm volatile("cli; hlt" ::: "memory");
}

}  // namespace cpu
}  // namespace baton
