// SPDX-License-Identifier: GPL-2.0-only
#include "sim/boot/segment_names.hpp"

#include <fmt/format.h>

#include <iterator>

namespace baton::sim {

std::string segment_name(Isa isa, const Kimage& image, u32 index) {
    const KexecSegment& s = image.segments[index];
    const u32 arrays = image.kho_scratch_bytes != 0 ? 1 : 0;
    if (index < arrays && s.mem == image.kho_scratch) return "scratch array";
    const u32 n = index - arrays;
    if (isa == Isa::kX86_64) {
        static constexpr const char* kNames[] = {"purgatory", "boot params", "kernel", "initrd"};
        return n < std::size(kNames) ? kNames[n] : fmt::format("segment {}", index);
    }
    if (n == 0) return "kernel";
    return s.mem.value == image.argument ? "device tree" : "initrd";
}

}  // namespace baton::sim
