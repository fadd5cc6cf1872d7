// SPDX-License-Identifier: GPL-2.0-only
// The native target's half of model/platform.hpp: the direct map is one host mapping of the machine's RAM.
//
// `ram_view` describes the RAM of the machine whose kernel runs on this host thread (one machine = one thread). It is
// host state of the simulator; no model file touches it but through the three functions below.
#pragma once

#include "model/geometry.hpp"
#include "model/types.hpp"

namespace baton {
struct Kernel;
namespace platform {

[[noreturn]] void page_fault(PhysAddr address, u64 bytes);

/// One library serves every geometry.
constexpr const Geometry& target_geometry(GeometryId id) { return geometry_of(id); }

/// RAM as a few ranges, the largest first: firmware maps of real machines have up to a dozen (decision D21).
struct RamView {
    static constexpr u32 kRangesMax = 32;
    std::byte* base = nullptr;     // host address of physical 0
    u64* dirty = nullptr;          // one bit a 4 KiB frame, bit i of word w is frame 64 w + i
    u64* dirty_summary = nullptr;  // one bit per word of `dirty`
    u64* dirty_top = nullptr;      // one bit per 64 words of `dirty_summary` (1 GiB); may be null: nobody scans 16 TiB
    PhysRange ranges[kRangesMax];
    u32 range_count = 0;

    /// Marks frames first…last. A frame that is dirty already costs one load.
    void mark(u64 first, u64 last) const {
        for (u64 f = first; f <= last; ++f) {
            u64& word = dirty[f >> 6];
            const u64 bit = u64{1} << (f & 63);
            if ((word & bit) != 0) continue;
            word |= bit;
            dirty_summary[f >> 12] |= u64{1} << ((f >> 6) & 63);
            if (dirty_top != nullptr) dirty_top[f >> 24] |= u64{1} << ((f >> 18) & 63);
        }
    }
};
// Always part of an executable, so at a constant offset from the thread pointer. Without the attribute g++ may test the
// flags of an instruction that the linker turns into one that sets none, and UBSan reports this object as null.
[[gnu::tls_model("local-exec")]] extern constinit thread_local RamView ram_view;

inline std::byte* direct_map(PhysAddr a, u64 bytes) {
    const RamView& v = ram_view;
    for (u32 i = 0; i < v.range_count; ++i) {
        const u64 offset = a.value - v.ranges[i].start.value;
        if (offset < v.ranges[i].size && bytes <= v.ranges[i].size - offset) [[likely]]
            return v.base + a.value;
    }
    page_fault(a, bytes);
}

inline PhysAddr virt_to_phys(const void* p) {
    return {static_cast<u64>(static_cast<const std::byte*>(p) - ram_view.base)};
}

inline void mark_dirty(PhysAddr a, u64 bytes) {
    if (bytes != 0) ram_view.mark(a.value >> kFrameShift, (a.value + bytes - 1) >> kFrameShift);
}

}  // namespace platform
}  // namespace baton
