// SPDX-License-Identifier: GPL-2.0-only
// Page cache for kexec's input files. Movable pages: they may lie in scratch (CMA), as page cache does in Linux.
#include "model/files.hpp"

#include <algorithm>

#include "model/bits.hpp"
#include "model/kernel.hpp"

namespace baton::files {
namespace {

inline constexpr u64 kFileBytesMax = 4 * kGiB;  // specs/kexec.md §1

u64 pages_per_index(const Kernel& k) { return geometry(k).page_size() / sizeof(u64) - 1; }

void free_index_chain(Kernel& k, PhysAddr index) {
    const u64 per_index = pages_per_index(k);
    while (index.value != 0) {
        for (u64 i = 0; i < per_index; ++i) {
            const auto data = ram::load<PhysAddr>(index + i * sizeof(u64));
            if (data.value != 0) mm::free_pages(k, data, {0});
        }
        const auto next = ram::load<PhysAddr>(index + per_index * sizeof(u64));
        platform::charge(Work::kListLinks, 1);
        mm::free_pages(k, index, {0});
        index = next;
    }
}

}  // namespace

Result<u32> create(Kernel& k, u64 size_bytes) {
    if (size_bytes == 0) return fail(Errno::kEINVAL);
    if (size_bytes > kFileBytesMax) return fail(Errno::kEFBIG);
    const auto slot = static_cast<u32>(
        std::find_if(k.files.slots, k.files.slots + kFilesMax, [](const File& f) { return f.size_bytes == 0; }) -
        k.files.slots);
    if (slot == kFilesMax) return fail(Errno::kENOSPC);

    const u64 per_index = pages_per_index(k);
    const u64 pages = div_round_up(size_bytes, geometry(k).page_size());
    PhysAddr first{};
    PhysAddr index{};
    for (u64 i = 0; i < pages; ++i) {
        if (i % per_index == 0) {
            const auto next = mm::alloc_pages(k, {0}, kAllocZero);
            if (!next) {
                free_index_chain(k, first);
                return fail(next.error());
            }
            if (first.value == 0)
                first = *next;
            else
                ram::store(index + per_index * sizeof(u64), *next);
            index = *next;
        }
        const auto data = mm::alloc_pages(k, {0}, kAllocMovable | kAllocZero | kAllocUser);
        if (!data) {
            free_index_chain(k, first);
            return fail(data.error());
        }
        ram::store(index + i % per_index * sizeof(u64), *data);
    }
    k.files.slots[slot] = {size_bytes, first};
    return slot;
}

Status remove(Kernel& k, u32 slot) {
    if (slot >= kFilesMax || k.files.slots[slot].size_bytes == 0) return fail(Errno::kENOENT);
    free_index_chain(k, k.files.slots[slot].first_index);
    k.files.slots[slot] = {};
    return {};
}

PhysAddr page_at(const Kernel& k, u32 slot, u64 offset) {
    BATON_ASSERT(slot < kFilesMax && offset < k.files.slots[slot].size_bytes);
    const u64 per_index = pages_per_index(k);
    u64 page = offset >> geometry(k).page_shift;
    PhysAddr index = k.files.slots[slot].first_index;
    for (; page >= per_index; page -= per_index) {
        index = ram::load<PhysAddr>(index + per_index * sizeof(u64));
        platform::charge(Work::kListLinks, 1);
    }
    return ram::load<PhysAddr>(index + page * sizeof(u64));
}

void read(const Kernel& k, u32 slot, u64 offset, void* to, u64 bytes) {
    const u64 page_size = geometry(k).page_size();
    auto* out = static_cast<u8*>(to);
    while (bytes != 0) {
        const u64 in_page = offset & (page_size - 1);
        const u64 n = std::min(bytes, page_size - in_page);
        const PhysAddr page = page_at(k, slot, offset);
        std::memcpy(out, ram::read<u8>(page + in_page, n), n);
        out += n;
        offset += n;
        bytes -= n;
    }
    platform::charge(Work::kBytesCopied, static_cast<u64>(out - static_cast<u8*>(to)));
}

}  // namespace baton::files
