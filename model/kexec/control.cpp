// SPDX-License-Identifier: GPL-2.0-only
#include "model/kexec/control.hpp"

#include "model/kernel.hpp"
#include "model/kexec/pages.hpp"
#include "model/mm/paging/paging.hpp"

namespace baton::kexec {
namespace {

inline constexpr u64 kRelocationCodeMax = 2048;  // the rest of the page holds saved state and the stack (§7.4)

struct Tables {
    Kernel& k;
    Kimage& image;
};

Result<PhysAddr> cleared(const Kernel& k, const Result<PhysAddr>& page) {
    if (!page) return page;
    ram::zero(*page, geometry(k).page_size());
    platform::charge(Work::kPagesZeroed, 1);
    return page;
}

Result<PhysAddr> control_table(void* context) {
    auto& t = *static_cast<Tables*>(context);
    return cleared(t.k, alloc_control_page(t.k, t.image));
}

// Tables of the transition mapping are used up before the first page is copied: they may lie in a destination (§7.2).
Result<PhysAddr> ordinary_table(void* context) {
    auto& t = *static_cast<Tables*>(context);
    const Result<PhysAddr> page = take_page(t.k, AllocSite::kKexecControl);
    if (!page) return page;
    chain_push(t.k, t.image.table_pages, *page);
    platform::own({*page, geometry(t.k).page_size()}, Owner::kKernel, Owner::kPageTables);
    return cleared(t.k, page);
}

class IdentityMap {
public:
    IdentityMap(Kernel& k, Kimage& image) : g_(geometry(k)), tables_{k, image} {}

    // The mapping unit is 2 MiB: up to that much beside a range is mapped with it (§7.1).
    Status add(PhysRange r) {
        const PhysAddr start = align_down(r.start, 2 * kMiB);
        const u64 size = align_up(r.end(), 2 * kMiB) - start;
        return paging::map(g_, tables_.image.root, {start.value}, start, size,
                           paging::kMapWrite | paging::kMapExecute | paging::kMapGlobal, kGiB,
                           {control_table, &tables_});
    }

    Status add_direct_map() {
        u64 cursor = 0;
        PhysRange run;
        while (paging::next_mapped(tables_.k, cursor, run))
            if (Status s = add(run); !s) return s;
        return {};
    }

    Status add_segments() {
        for (u32 i = 0; i < tables_.image.segment_count; ++i)
            if (Status s = add({tables_.image.segments[i].mem, tables_.image.segments[i].memsz}); !s) return s;
        return {};
    }

    Status add_acpi() {
        const BootInfo& boot = tables_.k.boot;
        for (u64 i = 0; i < boot.memory_map_count; ++i) {
            const MemoryMapEntry& e = boot.memory_map[i];
            const bool acpi =
                e.type == static_cast<u32>(MemoryType::kAcpi) || e.type == static_cast<u32>(MemoryType::kNvs);
            if (!acpi) continue;
            if (Status s = add({e.start, e.size}); !s) return s;
        }
        return {};
    }

    // The relocation routine's own virtual address leads to its copy in the control page (§7.2).
    Status add_transition() {
        const Kernel& k = tables_.k;
        const VirtAddr routine = VirtAddr{g_.kernel_text_base} + k.header.relocate_offset;
        BATON_ASSERT(is_aligned(routine.value, g_.page_size()));
        return paging::map(g_, tables_.image.root, routine, tables_.image.control_code_page, g_.page_size(),
                           paging::kMapWrite | paging::kMapExecute | paging::kMapGlobal, g_.page_size(),
                           {ordinary_table, &tables_});
    }

private:
    const Geometry& g_;
    Tables tables_;
};

}  // namespace

Status alloc_control(Kernel& k, Kimage& image) {
    const Result<PhysAddr> code = cleared(k, alloc_control_page(k, image));
    if (!code) return fail(code.error());
    image.control_code_page = *code;
    const Result<PhysAddr> swap = alloc_control_page(k, image);
    if (!swap) return fail(swap.error());
    image.swap_page = *swap;
    return {};
}

void copy_relocation_code(const Kernel& k, const Kimage& image) {
    const u64 bytes = k.header.relocate_size;
    BATON_ASSERT(bytes <= kRelocationCodeMax);
    ram::copy(image.control_code_page, k.image + k.header.relocate_offset, bytes);
    platform::charge(Work::kBytesCopied, bytes);
    platform::cache_clean({image.control_code_page, kRelocationCodeMax});
}

Status build_identity_map(Kernel& k, Kimage& image) {
    Tables tables{k, image};
    const Result<PhysAddr> root = control_table(&tables);
    if (!root) return fail(root.error());
    image.root = *root;
    IdentityMap map(k, image);
    if (Status s = map.add_direct_map(); !s) return s;
    if (Status s = map.add_segments(); !s) return s;
    if (Status s = map.add_acpi(); !s) return s;
    return map.add_transition();
}

Status build_linear_copy(Kernel& k, Kimage& image) {
    const Geometry& g = geometry(k);
    Tables tables{k, image};
    const paging::TableSource source{control_table, &tables};
    const Result<PhysAddr> root = control_table(&tables);
    if (!root) return fail(root.error());
    image.root = *root;
    const u64 linear_map_bytes = shl(1, g.va_bits - 1);
    if (Status s = paging::copy_writable(g, image.root, k.page_table, {g.direct_map_base}, linear_map_bytes, source);
        !s)
        return s;

    const Result<PhysAddr> idmap_root = control_table(&tables);
    if (!idmap_root) return fail(idmap_root.error());
    image.idmap_root = *idmap_root;
    const PhysAddr code = image.control_code_page;
    if (Status s = paging::map(paging::idmap_geometry(g), image.idmap_root, {code.value}, code, g.page_size(),
                               paging::kMapExecute, g.page_size(), source);
        !s)
        return s;
    copy_relocation_code(k, image);
    return {};
}

void free_control(Kernel& k, Kimage& image) {
    free_chain(k, image.control_pages, Owner::kControl);
    free_chain(k, image.table_pages, Owner::kPageTables);
}

}  // namespace baton::kexec
