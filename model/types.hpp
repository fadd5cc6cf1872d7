// SPDX-License-Identifier: GPL-2.0-only
// The words every layer speaks: distinct types for the numbers that must not be mixed.
//
// A physical address, a virtual address and a frame number are all 64-bit integers, and mixing them is the classic
// kexec bug (kho.md B45). Each is its own struct here; arithmetic that makes sense is defined, the rest does not
// compile. All are trivially copyable and may live in emulated RAM; there they are little-endian 64-bit words.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>

#include "model/errno.hpp"

namespace baton {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

inline constexpr u64 kKiB = 1024;
inline constexpr u64 kMiB = 1024 * kKiB;
inline constexpr u64 kGiB = 1024 * kMiB;
inline constexpr u64 kTiB = 1024 * kGiB;

/// A physical (machine) address in bytes.
struct PhysAddr {
    u64 value = 0;
    constexpr auto operator<=>(const PhysAddr&) const = default;
    constexpr PhysAddr& operator+=(u64 bytes) {
        value += bytes;
        return *this;
    }
    constexpr PhysAddr& operator-=(u64 bytes) {
        value -= bytes;
        return *this;
    }
};
constexpr PhysAddr operator+(PhysAddr a, u64 bytes) { return {a.value + bytes}; }
constexpr PhysAddr operator-(PhysAddr a, u64 bytes) { return {a.value - bytes}; }
constexpr u64 operator-(PhysAddr a, PhysAddr b) { return a.value - b.value; }

/// A virtual address of the simulated kernel, in bytes. Never stored in emulated RAM (decision D1).
struct VirtAddr {
    u64 value = 0;
    constexpr auto operator<=>(const VirtAddr&) const = default;
};
constexpr VirtAddr operator+(VirtAddr a, u64 bytes) { return {a.value + bytes}; }
constexpr u64 operator-(VirtAddr a, VirtAddr b) { return a.value - b.value; }

/// A page frame number: physical address >> page_shift of the running kernel (12, 14 or 16).
struct Pfn {
    u64 value = 0;
    constexpr auto operator<=>(const Pfn&) const = default;
    constexpr Pfn& operator+=(u64 frames) {
        value += frames;
        return *this;
    }
};
constexpr Pfn operator+(Pfn a, u64 frames) { return {a.value + frames}; }
constexpr Pfn operator-(Pfn a, u64 frames) { return {a.value - frames}; }
constexpr u64 operator-(Pfn a, Pfn b) { return a.value - b.value; }

/// A power-of-two number of pages: 1 << value pages.
struct Order {
    u32 value = 0;
    constexpr auto operator<=>(const Order&) const = default;
    constexpr u64 pages() const { return u64{1} << (value & 63); }
};

/// A NUMA node. kNoNode means "any" or "not known".
struct NodeId {
    i32 value = 0;
    constexpr auto operator<=>(const NodeId&) const = default;
};
inline constexpr NodeId kNoNode{-1};
inline constexpr u32 kNodesMax = 64;

/// Half-open run of physical memory [start, start + size).
struct PhysRange {
    PhysAddr start;
    u64 size = 0;
    constexpr PhysAddr end() const { return start + size; }
    constexpr bool empty() const { return size == 0; }
    constexpr bool contains(PhysAddr a) const { return a >= start && a - start < size; }
    constexpr bool contains(const PhysRange& r) const {
        return r.start >= start && r.end() <= end() && r.end() >= r.start;
    }
    constexpr bool overlaps(const PhysRange& r) const {
        return start < r.end() && r.start < end() && size != 0 && r.size != 0;
    }
    constexpr bool operator==(const PhysRange&) const = default;
};

/// What a model function returns: a value or a Linux errno. Never `.value()`: that would throw (decision D19).
template <class T>
using Result = std::expected<T, Errno>;
using Status = Result<void>;
inline std::unexpected<Errno> fail(Errno e) { return std::unexpected<Errno>(e); }

}  // namespace baton
