// SPDX-License-Identifier: GPL-2.0-only
// The purgatory segment of x86-64 and the digest it checks (specs/kexec.md §6, §7.6).
//
// The blob comes from the running kernel's own image: code, tables, stack, in one piece. It is copied to kernel memory,
// its tables are filled there, and it is relocated like any other segment. The digest covers all segments but this one.
#include "model/kexec/purgatory.hpp"

#include <algorithm>

#include "model/kernel.hpp"
#include "model/kexec/loader.hpp"

namespace baton::kexec {
namespace {

inline constexpr u64 kPurgatoryLowest = 0x3000;  // specs/kexec.md §5.1
inline constexpr u64 kDigestBytes = 32;

const KexecSegment& purgatory_segment(const Kimage& image) {
    for (u32 i = 0; i < image.segment_count; ++i)
        if (image.start >= image.segments[i].mem && image.start - image.segments[i].mem < image.segments[i].memsz)
            return image.segments[i];
    BATON_ASSERT(false);
    return image.segments[0];
}

bool tables_fit(const ImageHeader& h) {
    const auto inside = [&h](u64 offset, u64 bytes) {
        return bytes <= h.purgatory_size && offset <= h.purgatory_size - bytes;
    };
    return inside(h.purgatory_regions, kPurgatoryRegions * sizeof(PurgatoryRegion)) &&
           inside(h.purgatory_digest, kDigestBytes) &&
           inside(h.purgatory_registers, kPurgatoryRegisters * sizeof(u64)) && inside(h.purgatory_entry, 1);
}

void hash_zeros(Sha256& sha, u64 bytes) {
    static constexpr u8 kZeros[4096] = {};
    while (bytes != 0) {
        const u64 n = std::min<u64>(bytes, sizeof(kZeros));
        sha256_update(sha, kZeros, n);
        platform::charge(Work::kBytesHashed, n);
        bytes -= n;
    }
}

void hash_segment(const Kernel& k, Sha256& sha, const KexecSegment& s) {
    const u64 page_size = geometry(k).page_size();
    for (u64 done = 0; done < s.bufsz;) {
        const Piece piece = content_at(k, s, done, std::min(page_size, s.bufsz - done));
        sha256_update(sha, piece.data, piece.bytes);
        platform::charge(Work::kBytesHashed, piece.bytes);
        done += piece.bytes;
    }
    hash_zeros(sha, s.memsz - s.bufsz);
}

}  // namespace

Status add_purgatory(Load& load) {
    Kernel& k = load.k;
    const ImageHeader& h = k.header;
    if (h.purgatory_size == 0) return bad_image(Probe::kNoPurgatory);
    BATON_ASSERT(tables_fit(h));
    const Result<PhysAddr> buffer = alloc_buffer(k, h.purgatory_size);
    if (!buffer) return fail(buffer.error());
    ram::copy(*buffer, k.image + h.purgatory_offset, h.purgatory_size);
    platform::charge(Work::kBytesCopied, h.purgatory_size);
    const KexecSegment content = memory_content(*buffer, h.purgatory_size, buffer_pages(k, h.purgatory_size));
    const Result<u32> index = add_segment(load, content,
                                          {.memsz = h.purgatory_size,
                                           .align = 0,
                                           .buf_min = kPurgatoryLowest,
                                           .buf_max = ~u64{0},
                                           .top_down = true,
                                           .page_size = 0});
    if (!index) return fail(index.error());
    load.image.start = load.image.segments[*index].mem + h.purgatory_entry;
    return {};
}

void set_purgatory_registers(const Kernel& k, const Kimage& image, PhysAddr zero_page, PhysAddr entry) {
    const KexecSegment& s = purgatory_segment(image);
    u64* registers = ram::write<u64>(s.buffer + k.header.purgatory_registers, kPurgatoryRegisters);
    std::fill(registers, registers + kPurgatoryRegisters, 0);
    registers[kRsi] = zero_page.value;
    registers[kRsp] = (s.mem + s.memsz).value;  // the blob ends with its stack
    registers[kRip] = entry.value;
}

void digest_segments(const Kernel& k, const Kimage& image) {
    PurgatoryRegion regions[kPurgatoryRegions] = {};
    u32 count = 0;
    Sha256 sha;
    sha256_init(sha);
    for (u32 i = 0; i < image.segment_count; ++i) {
        const KexecSegment& s = image.segments[i];
        if (s.hashed == 0) continue;
        hash_segment(k, sha, s);
        regions[count++] = {s.mem, s.memsz};
    }
    u8 digest[kDigestBytes];
    sha256_final(sha, digest);
    const KexecSegment& purgatory = purgatory_segment(image);
    BATON_ASSERT(purgatory.hashed == 0);
    std::memcpy(ram::write<u8>(purgatory.buffer + k.header.purgatory_regions, sizeof(regions)), regions,
                sizeof(regions));
    std::memcpy(ram::write<u8>(purgatory.buffer + k.header.purgatory_digest, sizeof(digest)), digest, sizeof(digest));
}

}  // namespace baton::kexec
