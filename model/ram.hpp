// SPDX-License-Identifier: GPL-2.0-only
// Access to emulated RAM: claims, typed physical pointers, and what may live there (decisions D1, D2).
//
// RAM is the only channel between kernels, and snapshots copy known dirty frames, so writing is a *claim*:
// `ram::write<T>` marks the frames dirty and returns the pointer. A claim is valid until the next platform::at() or
// the end of the command. Reading never marks. An address outside RAM ends the kernel with a verdict, not the host.
#pragma once

#include <cstring>
#include <type_traits>

#include "model/platform.hpp"

namespace baton {

/// What may be stored in emulated RAM: plain bytes, no vtable, and (scanned for by a test) no host pointer.
template <class T>
concept ram_resident = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> && !std::is_pointer_v<T>;

namespace ram {

template <ram_resident T>
const T* read(PhysAddr a, u64 n = 1) {
    return reinterpret_cast<const T*>(platform::direct_map(a, n * sizeof(T)));
}
template <ram_resident T>
T* write(PhysAddr a, u64 n = 1) {
    auto* p = reinterpret_cast<T*>(platform::direct_map(a, n * sizeof(T)));
    platform::mark_dirty(a, n * sizeof(T));
    return p;
}
/// Unaligned little-endian loads and stores: libfdt's u64 payloads are only 4-byte aligned (kho.md §2.1).
template <ram_resident T>
T load(PhysAddr a) {
    T v;
    std::memcpy(&v, platform::direct_map(a, sizeof(T)), sizeof(T));
    return v;
}
template <ram_resident T>
void store(PhysAddr a, const T& v) {
    std::memcpy(write<u8>(a, sizeof(T)), &v, sizeof(T));
}
inline void zero(PhysAddr a, u64 bytes) { std::memset(write<u8>(a, bytes), 0, bytes); }
inline void copy(PhysAddr to, PhysAddr from, u64 bytes) {
    const u8* source = read<u8>(from, bytes);
    std::memmove(write<u8>(to, bytes), source, bytes);
}
inline bool equal(PhysAddr a, const void* bytes, u64 n) { return std::memcmp(read<u8>(a, n), bytes, n) == 0; }

}  // namespace ram

/// A link inside emulated RAM: a 64-bit physical address. Null is all ones, because 0 is a legal address.
/// `p->` on a non-const T is a write claim of the whole object; `p.get()` reads.
template <class T>
class PhysPtr {
public:
    static constexpr u64 kNull = ~u64{0};
    constexpr PhysPtr() = default;
    constexpr explicit PhysPtr(PhysAddr a) : address_(a.value) {}
    constexpr PhysAddr phys() const { return {address_}; }
    constexpr explicit operator bool() const { return address_ != kNull; }
    constexpr bool operator==(const PhysPtr&) const = default;
    const T* get(u64 n = 1) const { return ram::read<T>(phys(), n); }
    T* claim(u64 n = 1) const { return ram::write<T>(phys(), n); }
    T* operator->() const { return claim(); }
    T& operator*() const { return *claim(); }
    constexpr PhysPtr operator+(u64 n) const { return PhysPtr(PhysAddr{address_ + n * sizeof(T)}); }

private:
    u64 address_ = kNull;
};

}  // namespace baton
