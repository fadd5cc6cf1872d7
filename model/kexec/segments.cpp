// SPDX-License-Identifier: GPL-2.0-only
// Segments: from content and a wish to a destination, then to source pages (specs/kexec.md §2, §4, §5).
//
// Which memory may be a destination depends on the kernel: with KHO only the scratch areas, in their order, because
// anything else may be preserved; otherwise System RAM (x86-64) or what memblock has free (AArch64).
#include <algorithm>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/kexec/entry_list.hpp"
#include "model/kexec/loader.hpp"
#include "model/kexec/pages.hpp"
#include "model/mm/hotplug.hpp"

namespace baton::kexec {
namespace {

using Placed = std::span<const KexecSegment>;

Result<PhysAddr> hole_in_scratch(const Kernel& k, const HoleRequest& r, Placed placed) {
    for (u64 i = 0; i < k.kho.scratch_count; ++i) {
        const kho::ScratchArea area = kho::scratch_area(k, i);
        platform::charge(Work::kListLinks, 1);
        if (const Result<PhysAddr> hole = hole_in_window(r, {area.addr, area.size}, placed)) return hole;
    }
    return fail(Errno::kEADDRNOTAVAIL);
}

// System RAM as /proc/iomem would list it: entries of the firmware's map, neighbours joined, without blocks that were
// removed or are driver-managed, highest first for a top-down search.
Result<PhysAddr> hole_in_ram(const Kernel& k, const HoleRequest& r, Placed placed) {
    PhysRange windows[kMemoryMapMax];
    const u64 entries = std::min<u64>(k.boot.memory_map_count, kMemoryMapMax);
    u64 count = 0;
    for (u64 i = 0; i < entries; ++i)
        if (k.boot.memory_map[i].type == static_cast<u32>(MemoryType::kRam))
            windows[count++] = {k.boot.memory_map[i].start, k.boot.memory_map[i].size};
    platform::charge(Work::kMemblockScans, entries);
    const auto order = [](const PhysRange& a, const PhysRange& b) {
        return a.start != b.start ? a.start < b.start : a.size < b.size;
    };
    std::sort(windows, windows + count, order);
    u64 joined = 0;
    for (u64 i = 0; i < count; ++i) {
        if (joined != 0 && windows[joined - 1].end() == windows[i].start)
            windows[joined - 1].size += windows[i].size;
        else
            windows[joined++] = windows[i];
    }
    joined = hotplug::cut_unusable(k, windows, joined, kMemoryMapMax);
    if (r.top_down) std::reverse(windows, windows + joined);
    return hole_in_windows(r, {windows, joined}, placed);
}

Result<PhysAddr> hole_in_memblock(const Kernel& k, const HoleRequest& r, Placed placed) {
    FreeRange free;
    memblock::FreeCursor cursor;
    const auto next = r.top_down ? &memblock::previous_free : &memblock::next_free;
    while (next(k.memblock, cursor, free, kNoNode, 0))
        if (const Result<PhysAddr> hole = hole_in_window(r, free.range, placed)) return hole;
    return fail(Errno::kEADDRNOTAVAIL);
}

Result<PhysAddr> find_hole(const Load& load, const HoleRequest& r) {
    const Placed placed{load.image.segments, load.image.segment_count};
    if (load.k.kho.enabled) return hole_in_scratch(load.k, r, placed);
    return geometry(load.k).isa == Isa::kX86_64 ? hole_in_ram(load.k, r, placed) : hole_in_memblock(load.k, r, placed);
}

void free_buffer(Kernel& k, KexecSegment& s) {
    if (s.buffer_pages != 0) mm::free_run(k, s.buffer, s.buffer_pages);
    s.buffer_pages = 0;
}

// Fills a source page: it is cleared as a whole, then its part of the content is copied (§2).
void fill_page(const Kernel& k, const KexecSegment& s, u64 offset, PhysAddr page) {
    const u64 page_size = geometry(k).page_size();
    const u64 content = offset < s.bufsz ? std::min(s.bufsz - offset, page_size) : 0;
    ram::zero(page, page_size);
    platform::charge(Work::kPagesZeroed, 1);
    for (u64 done = 0; done < content;) {
        const Piece piece = content_at(k, s, offset + done, content - done);
        std::memcpy(ram::write<u8>(page + done, piece.bytes), piece.data, piece.bytes);
        done += piece.bytes;
    }
    if (content == page_size)
        platform::charge(Work::kPagesCopied, 1);
    else if (content != 0)
        platform::charge(Work::kBytesCopied, content);
}

Status copy_segment(Kernel& k, Kimage& image, const KexecSegment& s) {
    const u64 page_size = geometry(k).page_size();
    if (Status added = append(k, image, s.mem.value | kEntryDestination); !added) return added;
    for (u64 offset = 0; offset < s.memsz; offset += page_size) {
        const PhysAddr destination = s.mem + offset;
        const Result<PhysAddr> page = alloc_source_page(k, image, destination);
        if (!page) return fail(page.error());
        if (Status added = append(k, image, page->value | kEntrySource); !added) {
            release_page(k, *page, Owner::kImageSource);
            return added;
        }
        fill_page(k, s, offset, *page);
        platform::at(Site::kLoadPage, destination.value, page->value);
    }
    return {};
}

}  // namespace

KexecSegment file_content(u32 slot, u64 offset, u64 bytes) {
    KexecSegment s{};
    s.source = static_cast<u32>(SegmentSource::kFile);
    s.file_slot = slot;
    s.source_offset = offset;
    s.bufsz = bytes;
    return s;
}

KexecSegment memory_content(PhysAddr buffer, u64 bytes, u64 pages) {
    KexecSegment s{};
    s.source = static_cast<u32>(SegmentSource::kMemory);
    s.buffer = buffer;
    s.buffer_pages = pages;
    s.bufsz = bytes;
    return s;
}

u64 buffer_pages(const Kernel& k, u64 bytes) { return div_round_up(bytes, geometry(k).page_size()); }

Result<PhysAddr> alloc_buffer(Kernel& k, u64 bytes) {
    const u64 pages = buffer_pages(k, bytes);
    const Result<PhysAddr> buffer = mm::alloc_run(k, pages, 0, AllocSite::kKexecBuffer);
    if (!buffer) return buffer;
    ram::zero(*buffer, pages * geometry(k).page_size());
    platform::charge(Work::kPagesZeroed, pages);
    return buffer;
}

Result<u32> add_segment(Load& load, const KexecSegment& content, HoleRequest where) {
    Kimage& image = load.image;
    // Control pages were chosen to be no destination: a later segment could land on them.
    BATON_ASSERT(image.control_pages == 0);
    KexecSegment s = content;
    where.page_size = geometry(load.k).page_size();
    where.memsz = align_up(where.memsz, where.page_size);
    const bool full = image.segment_count == kKexecSegmentsMax;
    const Result<PhysAddr> hole = full ? fail(Errno::kEINVAL) : find_hole(load, where);
    if (!hole) {
        if (!full && load.refused.memsz == 0) {
            load.refused = where;
            load.refused_segment = image.segment_count;
        }
        free_buffer(load.k, s);
        return fail(hole.error());
    }
    s.mem = *hole;
    s.memsz = where.memsz;
    image.segments[image.segment_count] = s;
    return image.segment_count++;
}

void drop_segments(Load& load, u32 count) {
    Kimage& image = load.image;
    while (image.segment_count > count) {
        KexecSegment& s = image.segments[--image.segment_count];
        free_buffer(load.k, s);
        s = {};
    }
}

Status check_segments(const Kernel& k, const Kimage& image) {
    const u64 page_size = geometry(k).page_size();
    const Placed segments{image.segments, image.segment_count};
    for (const KexecSegment& s : segments) {
        const PhysAddr end = s.mem + s.memsz;
        const bool aligned = is_aligned(s.mem, page_size) && is_aligned(end, page_size);
        if (end < s.mem || !aligned || end.value > image.address_limit) return fail(Errno::kEADDRNOTAVAIL);
    }
    for (u32 i = 0; i < segments.size(); ++i)
        for (u32 j = 0; j < i; ++j)
            if (PhysRange{segments[i].mem, segments[i].memsz}.overlaps({segments[j].mem, segments[j].memsz}))
                return fail(Errno::kEINVAL);
    const u64 pages_max = mm::counts(k).managed_pages / 2;
    u64 total = 0;
    for (const KexecSegment& s : segments) {
        const u64 pages = s.memsz / page_size;
        total += pages;
        if (s.bufsz > s.memsz || pages > pages_max || total > pages_max) return fail(Errno::kEINVAL);
    }
    return {};
}

Status copy_segments(Kernel& k, Kimage& image) {
    for (u32 i = 0; i < image.segment_count; ++i)
        if (Status s = copy_segment(k, image, image.segments[i]); !s) return s;
    return {};
}

void release_buffers(Kernel& k, Kimage& image) {
    for (u32 i = 0; i < image.segment_count; ++i) free_buffer(k, image.segments[i]);
}

Piece content_at(const Kernel& k, const KexecSegment& s, u64 offset, u64 bytes) {
    BATON_ASSERT(offset < s.bufsz && bytes != 0 && bytes <= s.bufsz - offset);
    if (s.source == static_cast<u32>(SegmentSource::kMemory)) return {ram::read<u8>(s.buffer + offset, bytes), bytes};
    const u64 page_size = geometry(k).page_size();
    const u64 position = s.source_offset + offset;
    const u64 in_page = position & (page_size - 1);
    const u64 n = std::min(bytes, page_size - in_page);
    const PhysAddr page = files::page_at(k, s.file_slot, position);
    return {ram::read<u8>(page + in_page, n), n};
}

}  // namespace baton::kexec
