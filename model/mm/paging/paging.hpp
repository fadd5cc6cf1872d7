// SPDX-License-Identifier: GPL-2.0-only
// Page tables, really built in emulated RAM on both ISAs (specs/boot.md §3, §4; specs/kexec.md §7.1, §11.2).
//
// One builder a format; who provides table pages is the caller's business (memblock early, the page allocator for
// kexec control pages), passed as a function with a context, because tables are needed before any allocator and after.
#pragma once

#include <optional>

#include "model/bits.hpp"
#include "model/geometry.hpp"
#include "model/ram.hpp"

namespace baton {
struct Kernel;

namespace paging {

/// Gives one zeroed table page of the kernel's page size, or nothing.
struct TableSource {
    Result<PhysAddr> (*page)(void* context);
    void* context;
};

enum MapFlag : u32 {
    kMapWrite = 1,
    kMapExecute = 2,
    kMapGlobal = 4,
    kMapDevice = 8,  // registers: not cached, not gathered or reordered
};

/// Maps [va, va + size) to [pa, …) with the largest leaves that fit, `leaf_max` bytes at most; existing entries stay as
/// they are (specs/kexec.md §7.1). va, pa and size are multiples of the page size, and the range lies in one half of
/// the address space. EINVAL otherwise; ENOMEM when `tables` gives no page: what was mapped until then stays.
Status map(const Geometry& g, PhysAddr root, VirtAddr va, PhysAddr pa, u64 size, u32 flags, u64 leaf_max,
           const TableSource& tables);

/// What a walk of the tables finds for `va`; leaf_bytes 0 = not mapped. `flags` are the effective rights: what every
/// table on the way allows.
struct Translation {
    PhysAddr address;
    u64 leaf_bytes;
    u32 flags;
};
Translation walk(const Geometry& g, PhysAddr root, VirtAddr va);

/// Clears the leaves of [va, va + size), which must not reach out of it; tables stay. Not mapped is no error. The TLB
/// is the caller's.
void unmap(const Geometry& g, PhysAddr root, VirtAddr va, u64 size);
/// Unlinks the table of pages on the way to `va` if it maps nothing: the page it was, or nothing.
std::optional<PhysAddr> drop_empty_table(const Geometry& g, PhysAddr root, VirtAddr va);

/// Copies the tables that map [start, end) from one root to another, leaf by leaf as they are, but writable everywhere:
/// what AArch64 relocates under (specs/kexec.md §11.2). start and end are multiples of what a root entry covers.
/// ENOMEM.
Status copy_writable(const Geometry& g, PhysAddr to_root, PhysAddr from_root, VirtAddr start, u64 size,
                     const TableSource& tables);

/// The tables that TTBR0 needs to map physical addresses to themselves: always 48 bits (T0SZ 16), whatever the width of
/// the kernel's own half (specs/kexec.md §11.2).
constexpr Geometry idmap_geometry(const Geometry& g) {
    Geometry idmap = g;
    idmap.va_bits = 48;
    idmap.levels = static_cast<u32>(div_round_up(idmap.va_bits - g.page_shift, g.page_shift - 3));
    return idmap;
}
static_assert(idmap_geometry(geometry_of(GeometryId::kAArch64_64K)).levels == 3);
static_assert(idmap_geometry(geometry_of(GeometryId::kAArch64_16K)).levels == 4);

/// The kernel's own address space: direct map of all memory (largest leaves, NX), the image at its text base, and the
/// port window (model/port.hpp), which native kernels map too, so that all targets allocate the same tables.
/// Tables come from memblock. The root goes to k.page_table (AArch64: for TTBR1, with k.memstart known) and is loaded.
void init_kernel_space(Kernel& k);
/// The ranges the direct map covers, ascending: memory without NOMAP, whole pages, neighbours joined. `cursor` starts
/// at 0; false at the end.
bool next_mapped(const Kernel& k, u64& cursor, PhysRange& out);
/// VA of the direct map for a physical address on this ISA (AArch64 subtracts memstart).
VirtAddr direct_map_va(const Kernel& k, PhysAddr a);

}  // namespace paging
}  // namespace baton
