// SPDX-License-Identifier: GPL-2.0-only
#include "firmware/mkimage/filler.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "model/kexec/purgatory.hpp"

namespace baton::firmware {
namespace {

inline constexpr u64 kTextOffset = 0x1000;
inline constexpr u64 kTextSize = 0x1f000;
inline constexpr u64 kRelocateOffset = 0x20000;
inline constexpr u64 kRelocateSize = 0x400;
inline constexpr u64 kPurgatoryOffset = 0x21000;
inline constexpr u64 kPurgatorySize = 0x5000;
inline constexpr u64 kRodataOffset = 0x26000;
inline constexpr u64 kFileBytes = 0x28000;
static_assert(kTextOffset + kTextSize == kRelocateOffset && kRelocateOffset + kRelocateSize <= kPurgatoryOffset);
static_assert(kPurgatoryOffset + kPurgatorySize == kRodataOffset && kFileBytes <= kKernelOffset);

// Inside the purgatory: code, then one page of tables, then its stack.
inline constexpr u64 kPurgatoryCodeEnd = 0x2000;
inline constexpr u64 kPurgatoryRegionsAt = 0x3000;
inline constexpr u64 kPurgatoryDigestAt = 0x3100;
inline constexpr u64 kPurgatoryRegistersAt = 0x3140;

class Filler {
public:
    explicit Filler(u64 seed) : state_(seed) {}
    u64 next() {
        state_ += 0x9e3779b97f4a7c15;
        u64 z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }

private:
    u64 state_;
};

template <class T>
void put(Bytes& bytes, u64 offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

/// Which image it is: part of every seed.
struct Identity {
    GeometryId geometry;
    u32 variant;
};

void fill(Bytes& image, Identity id, u64 offset, u64 size) {
    Filler filler(u64{id.variant} << 40 | u64{static_cast<u32>(id.geometry)} << 32 | offset);
    for (u64 at = offset; at < offset + size; at += sizeof(u64)) put(image, at, filler.next());
}

void put_purgatory(Bytes& image, Identity id) {
    fill(image, id, kPurgatoryOffset + kexec::kPurgatoryEntryOffset, kPurgatoryCodeEnd - kexec::kPurgatoryEntryOffset);
    put(image, kPurgatoryOffset,
        kexec::PurgatoryHeader{.magic = kexec::kPurgatoryMagic,
                               .size = kPurgatorySize,
                               .regions = kPurgatoryRegionsAt,
                               .digest = kPurgatoryDigestAt,
                               .registers = kPurgatoryRegistersAt,
                               .code_end = kPurgatoryCodeEnd,
                               .code_xxh3 = 0});
}

// `hlt; jmp .-1` at both entries of the payload, or `wfi; b .-4` where execution begins.
void put_entries(Bytes& image, bool x86) {
    constexpr u8 kStopX86[] = {0xf4, 0xeb, 0xfd};
    constexpr u32 kStopArm[] = {0xd503207f, 0x17ffffff};
    if (!x86) return put(image, 0, kStopArm);
    for (const u64 entry : {u64{0}, kEntryOffsetX86}) std::copy_n(kStopX86, std::size(kStopX86), image.data() + entry);
}

}  // namespace

Kernel filler_kernel(const Geometry& g, u32 variant) {
    const bool x86 = g.isa == Isa::kX86_64;
    const Identity id{g.id, variant};
    Kernel k{.bytes = Bytes(kFileBytes),
             .text_offset = kTextOffset,
             .text_size = kTextSize,
             .relocate_offset = kRelocateOffset,
             .relocate_size = kRelocateSize};
    fill(k.bytes, id, kTextOffset, kTextSize);
    fill(k.bytes, id, kRelocateOffset, kRelocateSize);
    fill(k.bytes, id, kRodataOffset, kFileBytes - kRodataOffset);
    put_entries(k.bytes, x86);
    if (x86) {
        put_purgatory(k.bytes, id);
        k.purgatory_offset = kPurgatoryOffset;
        k.purgatory_size = kPurgatorySize;
    }
    return k;
}

}  // namespace baton::firmware
