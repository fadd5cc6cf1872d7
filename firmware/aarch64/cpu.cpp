// SPDX-License-Identifier: GPL-2.0-only
// AArch64 instructions behind model/platform.hpp, and the way out (specs/kexec.md §11.3).
#include "firmware/cpu.hpp"

#include "firmware/aarch64/layout.h"
#include "model/image_header.hpp"
#include "model/port.hpp"

extern "C" {
// firmware/aarch64/entry.S
void load_kernel_root(baton::u64 table);
[[noreturn]] void enter_relocation(const void* arguments, baton::u64 code_page, baton::u64 idmap_root);
extern const baton::u8 empty_root_table[];  // NOLINT(readability-identifier-naming): a label of entry.S
}

namespace baton {
namespace {

static_assert(IMAGE_HEADER_OFFSET == kImageHeaderOffsetArm);
static_assert(KERNEL_OFFSET == kKernelOffset && BOOT_STACK_OFFSET == kBootStackOffset);
static_assert(platform::kTargetGeometry.page_shift == PAGE_SHIFT && platform::kTargetGeometry.va_bits == VA_BITS);
static_assert(platform::kTargetGeometry.direct_map_base == DIRECT_MAP_BASE);
static_assert(platform::kTargetGeometry.kernel_text_base == TEXT_BASE);
static_assert(WINDOW_VA == kWindowVaArm && WINDOW_PHYS == kPortArm.window.value &&
              WINDOW_BYTES == kPortArm.window_bytes);

// In the order in which firmware/aarch64/relocate.S loads it.
struct RelocationArguments {
    u64 start;
    u64 el2_vectors;  // none: the machine has no EL2
    u64 device_tree;
    u64 empty_root;
    u64 root;
    u64 head;
    u64 phys_offset;  // physical minus virtual
};
static_assert(sizeof(RelocationArguments) == 56);

u64 data_line_bytes() {
    u64 ctr;
    asm volatile("mrs %0, ctr_el0" : "=r"(ctr));
    return u64{4} << (ctr >> 16 & 15);
}

}  // namespace

namespace cpu {

void store_barrier() { asm volatile("dsb st" ::: "memory"); }
void barrier() { asm volatile("dsb sy" ::: "memory"); }

void cache_clean(PhysRange range) {
    if (range.empty()) return;
    const u64 line = data_line_bytes();
    const u64 start = reinterpret_cast<u64>(platform::direct_map(range.start, range.size));
    for (u64 a = start & ~(line - 1); a < start + range.size; a += line)
        asm volatile("dc civac, %0" ::"r"(a) : "memory");
    asm volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
}

void tlb_flush() { asm volatile("dsb ishst\n\ttlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory"); }
void load_root(PhysAddr table, u32 asid) { load_kernel_root(table.value | u64{asid} << 48); }

void leave(const platform::Jump& jump) {
    const RelocationArguments arguments{.start = jump.start.value,
                                        .el2_vectors = 0,
                                        .device_tree = jump.argument,
                                        .empty_root = platform::phys_in_image(empty_root_table).value,
                                        .root = jump.root.value,
                                        .head = jump.head,
                                        .phys_offset = u64{0} - platform::direct_map_offset()};
    enter_relocation(&arguments, jump.control_page.value, jump.idmap_root.value);
}

// No image moves itself on this ISA (specs/kexec.md §11.8).
void enter(PhysAddr, u64, PhysAddr) { halt(); }

void halt() {
    for (;;) asm volatile("wfi" ::: "memory");
}

}  // namespace cpu
}  // namespace baton
