// SPDX-License-Identifier: GPL-2.0-only
// The guests' half of model/platform.hpp: the direct map is a range of the kernel's own address space.
//
// A guest image is built for one geometry (BATON_GEOMETRY, an enumerator of GeometryId), so all that model code asks of
// geometry(k) is known when it is compiled (decision D5). What is RAM stands beside the port record: the same checked
// claims as natively, so that a wild address ends with the same verdict and the same address in it.
#pragma once

#include "model/geometry.hpp"
#include "model/port.hpp"
#include "model/types.hpp"

namespace baton::platform {

[[noreturn]] void page_fault(PhysAddr address, u64 bytes);

inline constexpr const Geometry& kTargetGeometry = geometry_of(GeometryId::BATON_GEOMETRY);
constexpr const Geometry& target_geometry(GeometryId) { return kTargetGeometry; }

inline constexpr const PortMap& kPort = port_map(kTargetGeometry.isa);

/// AArch64: the physical address at the base of the direct map, a word in the bss of firmware/aarch64/entry.S.
extern "C" u64 direct_map_start;

inline u64 direct_map_offset() {
    if constexpr (kTargetGeometry.isa == Isa::kAArch64) return kTargetGeometry.direct_map_base - direct_map_start;
    return kTargetGeometry.direct_map_base;
}

/// Something in the port window.
template <class T>
T* in_window(PhysAddr a) {
    return reinterpret_cast<T*>(window_va(kTargetGeometry.isa) + (a - kPort.window));
}

inline bool is_ram(PhysAddr a, u64 bytes) {
    const PortRam& ram = *in_window<const PortRam>(kPort.ram);
    for (u64 i = 0; i < ram.count; ++i) {
        const u64 offset = a - ram.ranges[i].start;
        if (offset < ram.ranges[i].size && bytes <= ram.ranges[i].size - offset) [[likely]]
            return true;
    }
    return false;
}

inline std::byte* direct_map(PhysAddr a, u64 bytes) {
    if (!is_ram(a, bytes)) [[unlikely]]
        page_fault(a, bytes);
    return reinterpret_cast<std::byte*>(a.value + direct_map_offset());
}

inline PhysAddr virt_to_phys(const void* p) { return {reinterpret_cast<u64>(p) - direct_map_offset()}; }

inline void mark_dirty(PhysAddr a, u64 bytes) {
    if (bytes == 0) return;
    u8* const bitmap = in_window<u8>(kPort.dirty);
    for (u64 f = a.value >> kFrameShift; f <= (a.value + bytes - 1) >> kFrameShift; ++f)
        bitmap[f >> 3] |= static_cast<u8>(1u << (f & 7));
}

}  // namespace baton::platform
