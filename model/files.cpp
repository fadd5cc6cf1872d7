// SPDX-License-Identifier: GPL-2.0-only
// Page cache for kexec's input files. Movable pages: they may lie in scratch (CMA), as page cache does in Linux.
#include "model/files.hpp"

#include <algorithm>

#include "model/bits.hpp"
#include "model/kernel.hpp"

namespace baton::files {
namespace {

inline constexpr u64 kFileBytesMax = 4 * kGiB;  // specs/kexec.md §1

u64 words_per_page(const Kernel& k) { return geometry(k).page_size() / sizeof(u64); }
u64 pages_per_index(const Kernel& k) { return words_per_page(k) - 1; }

// With 4K pages a directory covers just under 1 GiB.
static_assert(u64{kFileDirectoriesMax} * 512 * 511 * 4096 >= kFileBytesMax);

void free_file(Kernel& k, const File& file) {
    const u64 per_index = pages_per_index(k);
    for (PhysAddr index = file.first_index; index.value != 0;) {
        for (u64 i = 0; i < per_index; ++i) {
            const auto data = ram::load<PhysAddr>(index + i * sizeof(u64));
            if (data.value != 0) mm::free_pages(k, data, {0});
        }
        const auto next = ram::load<PhysAddr>(index + per_index * sizeof(u64));
        platform::charge(Work::kListLinks, 1);
        mm::free_pages(k, index, {0});
        index = next;
    }
    for (const PhysAddr directory : file.directories)
        if (directory.value != 0) mm::free_pages(k, directory, {0});
}

// The n-th index page, empty, linked from the one before (`last`) and from its directory.
Result<PhysAddr> add_index(Kernel& k, File& file, u64 n, PhysAddr last) {
    PhysAddr& directory = file.directories[n / words_per_page(k)];
    if (directory.value == 0) {
        const auto page = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kFileIndex);
        if (!page) return page;
        directory = *page;
    }
    const auto index = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kFileIndex);
    if (!index) return index;
    ram::store(directory + n % words_per_page(k) * sizeof(u64), *index);
    if (n == 0)
        file.first_index = *index;
    else
        ram::store(last + pages_per_index(k) * sizeof(u64), *index);
    return index;
}

Status add_pages(Kernel& k, File& file) {
    const u64 per_index = pages_per_index(k);
    PhysAddr index{};
    for (u64 i = 0; i < div_round_up(file.size_bytes, geometry(k).page_size()); ++i) {
        if (i % per_index == 0) {
            const auto added = add_index(k, file, i / per_index, index);
            if (!added) return fail(added.error());
            index = *added;
        }
        const auto data = mm::alloc_pages(k, {0}, kAllocMovable | kAllocZero | kAllocUser, AllocSite::kFileData);
        if (!data) return fail(data.error());
        ram::store(index + i % per_index * sizeof(u64), *data);
    }
    return {};
}

}  // namespace

Result<u32> create(Kernel& k, u64 size_bytes) {
    if (size_bytes == 0) return fail(Errno::kEINVAL);
    if (size_bytes > kFileBytesMax) return fail(Errno::kEFBIG);
    const auto slot = static_cast<u32>(
        std::find_if(k.files.slots, k.files.slots + kFilesMax, [](const File& f) { return f.size_bytes == 0; }) -
        k.files.slots);
    if (slot == kFilesMax) return fail(Errno::kENOSPC);

    File file{};
    file.size_bytes = size_bytes;
    if (const Status s = add_pages(k, file); !s) {
        free_file(k, file);
        return fail(s.error());
    }
    k.files.slots[slot] = file;
    return slot;
}

Status remove(Kernel& k, u32 slot) {
    if (slot >= kFilesMax || k.files.slots[slot].size_bytes == 0) return fail(Errno::kENOENT);
    free_file(k, k.files.slots[slot]);
    k.files.slots[slot] = {};
    return {};
}

PhysAddr page_at(const Kernel& k, u32 slot, u64 offset) {
    BATON_ASSERT(slot < kFilesMax && offset < k.files.slots[slot].size_bytes);
    const u64 page = offset >> geometry(k).page_shift;
    const u64 n = page / pages_per_index(k);
    const PhysAddr directory = k.files.slots[slot].directories[n / words_per_page(k)];
    const auto index = ram::load<PhysAddr>(directory + n % words_per_page(k) * sizeof(u64));
    return ram::load<PhysAddr>(index + page % pages_per_index(k) * sizeof(u64));
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
