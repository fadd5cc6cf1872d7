// SPDX-License-Identifier: GPL-2.0-only
// Where a segment goes: the highest (or lowest) aligned hole of a window that no placed segment touches.
//
// The rule (specs/kho.md §3.5, kexec.md §5) steps one alignment at a time and asks 16 segments at each step: minutes
// for a window of terabytes full of segments. Every candidate between one that hits a segment and that segment's far
// side hits it too, so the search jumps there; the answer is the same, found in at most one jump a segment.
//
// One difference, on purpose: stepping below address 0, or above 2^64, wraps around in the original and can "find" a
// hole outside the window. Here it is no hole.
#include "model/bits.hpp"
#include "model/kexec/kexec.hpp"

namespace baton::kexec {
namespace {

/// The placed segment that [start, start + bytes) touches; null if none.
const KexecSegment* obstacle(PhysAddr start, u64 bytes, std::span<const KexecSegment> placed) {
    const PhysRange hole{start, bytes};
    for (const KexecSegment& s : placed)
        if (hole.overlaps({s.mem, s.memsz})) return &s;
    return nullptr;
}

Result<PhysAddr> highest_hole(const HoleRequest& r, u64 low, u64 high, std::span<const KexecSegment> placed) {
    u64 last = high;  // of the hole
    while (last >= r.memsz - 1) {
        const PhysAddr start{align_down(last - (r.memsz - 1), r.align)};
        if (start.value < low) break;
        const KexecSegment* const s = obstacle(start, r.memsz, placed);
        if (s == nullptr) return start;
        if (s->mem.value == 0) break;
        last = s->mem.value - 1;
    }
    return fail(Errno::kEADDRNOTAVAIL);
}

Result<PhysAddr> lowest_hole(const HoleRequest& r, u64 low, u64 high, std::span<const KexecSegment> placed) {
    u64 from = low;
    for (;;) {
        const PhysAddr start{align_up(from, r.align)};
        if (start.value < from || start.value > high || high - start.value < r.memsz - 1) break;
        const KexecSegment* const s = obstacle(start, r.memsz, placed);
        if (s == nullptr) return start;
        from = s->mem.value + s->memsz;
    }
    return fail(Errno::kEADDRNOTAVAIL);
}

}  // namespace

Result<PhysAddr> hole_in_window(const HoleRequest& request, PhysRange window, std::span<const KexecSegment> placed) {
    if (request.memsz == 0 || window.size < request.memsz) return fail(Errno::kEADDRNOTAVAIL);
    const u64 last = window.start.value + (window.size - 1);
    const u64 low = window.start.value > request.buf_min ? window.start.value : request.buf_min;
    const u64 high = last < request.buf_max ? last : request.buf_max;
    if (low > high) return fail(Errno::kEADDRNOTAVAIL);
    HoleRequest r = request;
    if (r.align < r.page_size) r.align = r.page_size;
    return r.top_down ? highest_hole(r, low, high, placed) : lowest_hole(r, low, high, placed);
}

Result<PhysAddr> hole_in_windows(const HoleRequest& request, std::span<const PhysRange> windows,
                                 std::span<const KexecSegment> placed) {
    for (const PhysRange& window : windows)
        if (const Result<PhysAddr> hole = hole_in_window(request, window, placed)) return hole;
    return fail(Errno::kEADDRNOTAVAIL);
}

}  // namespace baton::kexec
