// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/kernel_files.hpp"

#include <algorithm>

#include "sim/random.hpp"

namespace baton::scenarios {

namespace {
inline constexpr u32 kInitrdStream = 0x1417d;
}

std::vector<u8> initrd_bytes(u64 seed, u64 bytes) {
    std::vector<u8> out(bytes);
    sim::Random random(seed, kInitrdStream);
    for (u8& b : out) b = static_cast<u8>(random.next() >> 56);
    return out;
}

void write_file(sim::Machine& machine, PhysAddr index, std::span<const u8> bytes) {
    const u64 page = machine.geometry().page_size();
    const u64 per_index = page / 8 - 1;
    for (u64 offset = 0, i = 0; offset < bytes.size(); offset += page, ++i) {
        if (i == per_index) {
            machine.read(index + per_index * 8, {reinterpret_cast<u8*>(&index.value), 8});
            i = 0;
        }
        u64 data = 0;
        machine.read(index + i * 8, {reinterpret_cast<u8*>(&data), 8});
        machine.host_write({data}, bytes.subspan(offset, std::min<u64>(page, bytes.size() - offset)));
    }
}

}  // namespace baton::scenarios
