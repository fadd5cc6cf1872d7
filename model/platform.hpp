// SPDX-License-Identifier: GPL-2.0-only
// The platform boundary: the whole of what a kernel can ask from outside (architecture §3, decision D10).
//
// A kernel has no other global, no heap of the host, no static constructor. Natively these are calls into
// sim/native; in a guest image they are stores to the port page. The three innermost ones — the direct map, its
// inverse, and the dirty mark — are inline and come from the one header a target supplies, `platform_target.hpp`:
//
//   std::byte* direct_map(PhysAddr a, u64 bytes)   checked: leaves through page_fault() unless [a, a+bytes) is RAM
//   PhysAddr   virt_to_phys(const void* p)          inverse, for objects reached through the direct map
//   void       mark_dirty(PhysAddr a, u64 bytes)    one bit a frame (decision D2)
//
// and beside them target_geometry(GeometryId), which a guest answers with a constant (decision D5).
#pragma once

#include <span>

#include "model/geometry.hpp"
#include "model/log.hpp"
#include "model/owner.hpp"
#include "model/sites.hpp"
#include "model/types.hpp"
#include "model/work.hpp"

namespace baton::platform {

/// Everything the relocation code is told (specs/kexec.md §7.3, §11.4). It reads the rest from RAM, starting at `head`.
struct Jump {
    u64 head = 0;                 // first word of the entry list, with flags
    PhysAddr start;               // entry address of the next image (x86-64: the purgatory)
    PhysAddr control_page;        // physical address of the relocation code
    PhysAddr root;                // kexec page-table root (x86-64: identity map; AArch64: TTBR1 copy)
    PhysAddr idmap_root;          // AArch64: TTBR0 tables of the code page; 0 on x86-64
    PhysAddr swap_page;           // third page of the three-way swap
    u64 argument = 0;             // AArch64: physical address of the device tree, for x0
    u64 page_size = 0;            // bytes an entry covers: the running kernel's page size
    bool three_way_swap = false;  // 6.12 base: sources end with the destinations' old content
};

/// A schedule point: devices may act inside this call, so claims on RAM (ram::write) end here.
void at(Site site, u64 arg0 = 0, u64 arg1 = 0);
/// Counts work in the cost ledger.
void charge(Work work, u64 amount);
/// Tells the ownership map that a range changed hands; both ends are stated (decision D3).
void own(PhysRange range, Owner from, Owner to);

/// Device registers; width in bytes 1, 2, 4 or 8.
u64 mmio_read(PhysAddr reg, u32 width);
void mmio_write(PhysAddr reg, u32 width, u64 value);

/// Leaves through kexec. No destructor runs: model code holds nothing that needs one across a platform call (D8).
[[noreturn]] void jump(const Jump& jump);

/// Leaves for the same image in another place, at the entry for moved images (x86-64): `image` is its first byte,
/// `argument` what the boot protocol passed, `loaded` where the image was before. As jump(), no destructor runs.
[[noreturn]] void enter(PhysAddr image, u64 argument, PhysAddr loaded);

void log(LogLevel level, Log id, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0);
[[noreturn]] void panic(Log id, u64 a = 0, u64 b = 0, u64 c = 0);
/// A failed BATON_ASSERT or BATON_WARN. `file` is the FNV-1a hash of the source path; the host knows the path.
[[noreturn]] void assert_failed(u32 file, u32 line);
void warn(u32 file, u32 line);
/// The direct map was asked for an address that is not RAM.
[[noreturn]] void page_fault(PhysAddr address, u64 bytes);

/// Schedule time in nanoseconds: the only clock (decision D28).
u64 now();
/// Deterministic random stream; equal on all targets for one seed.
u64 random(u32 stream);
/// One turn of a poll loop: lets posted work progress.
void relax();
void barrier();
void cache_clean(PhysRange range);
void tlb_flush();
/// Memory at a virtual address of the kernel's own tables, under `root`: what the CPU makes of the address. Natively
/// they are walked, and an address that they do not map leaves through page_fault(); on a guest it is an exception.
/// Checks nothing and marks nothing dirty; `bytes` do not cross a page.
std::byte* mapped(const Geometry& g, PhysAddr root, VirtAddr va, u64 bytes);
void load_root(PhysAddr table, u32 asid);
u32 cpu_id();

/// The command's reply is in the mailbox.
void reply(u64 sequence);
/// Waits until the mailbox holds a new command.
void idle();

/// FNV-1a of a path from the repository's root on, at compile time: how asserts name their file without carrying the
/// string (decision D32). -ffile-prefix-map makes it "./model/…" with g++, and "model/…" with clang.
consteval u32 file_id(const char* path) {
    u32 h = 2166136261u;
    if (path[0] != '.')
        for (const char c : {'.', '/'}) h = (h ^ static_cast<u8>(c)) * 16777619u;
    for (const char* p = path; *p != '\0'; ++p) h = (h ^ static_cast<u8>(*p)) * 16777619u;
    return h;
}

}  // namespace baton::platform

// Asserts stay on in release: a failed one is a verdict about the simulated kernel, not a crash of the simulator.
// They are macros because a function cannot name its caller's file without carrying the string.
#define BATON_ASSERT(condition)                                                               \
    do {                                                                                      \
        if (!(condition)) [[unlikely]]                                                        \
            ::baton::platform::assert_failed(::baton::platform::file_id(__FILE__), __LINE__); \
    } while (false)
#define BATON_WARN() ::baton::platform::warn(::baton::platform::file_id(__FILE__), __LINE__)

#include "platform_target.hpp"
