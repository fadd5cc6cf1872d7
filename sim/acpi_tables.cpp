// SPDX-License-Identifier: GPL-2.0-only
// The least ACPI that says NUMA (specs/boot.md §5): RSDP at +0, XSDT at +0x40, SRAT at +0x80. One CPU a node, its APIC
// id the node's number, so that nodes without memory are there too; domains are the nodes' numbers.
#include <cstring>

#include "model/boot/x86_64/acpi.hpp"
#include "sim/node_map.hpp"

namespace baton::sim {
namespace {

namespace acpi = boot::acpi;

inline constexpr u64 kXsdtAt = 0x40;
inline constexpr u64 kSratAt = 0x80;
inline constexpr u8 kSratRevision = 3;
inline constexpr char kOem[] = "BATON ";

template <class T>
void append(std::vector<u8>& to, const T& v) {
    const auto* bytes = reinterpret_cast<const u8*>(&v);
    to.insert(to.end(), bytes, bytes + sizeof(v));
}

// What makes all of the bytes add up to 0.
u8 balance(const u8* bytes, u64 n) {
    u32 sum = 0;
    for (u64 i = 0; i < n; ++i) sum += bytes[i];
    return static_cast<u8>(0 - sum);
}

std::vector<u8> table(const char (&signature)[5], u8 revision, const std::vector<u8>& body) {
    acpi::TableHeader h{};
    std::memcpy(h.signature, signature, sizeof(h.signature));
    h.length = static_cast<u32>(sizeof(h) + body.size());
    h.revision = revision;
    std::memcpy(h.oem, kOem, sizeof(h.oem));
    std::memcpy(h.oem_table, "BATONTBL", sizeof(h.oem_table));
    std::vector<u8> out;
    append(out, h);
    out.insert(out.end(), body.begin(), body.end());
    out[offsetof(acpi::TableHeader, checksum)] = balance(out.data(), out.size());
    return out;
}

std::vector<u8> srat(const MachineMap& map) {
    std::vector<u8> body;
    append(body, u32{1});
    append(body, u64{0});
    for (u32 node = 0; node < map.nodes; ++node) {
        acpi::SratCpuEntry cpu{};
        cpu.head = {acpi::kSratCpu, sizeof(cpu)};
        cpu.domain_low = static_cast<u8>(node);
        cpu.apic_id = static_cast<u8>(node);
        cpu.flags = acpi::kSratEnabled;
        append(body, cpu);
    }
    for (const MemoryMapEntry& e : map.entries) {
        if (e.type != static_cast<u32>(MemoryType::kRam)) continue;
        acpi::SratMemoryEntry memory{};
        memory.head = {acpi::kSratMemory, sizeof(memory)};
        memory.domain = e.nid;
        memory.base = e.start.value;
        memory.length = e.size;
        memory.flags = acpi::kSratEnabled;
        append(body, memory);
    }
    return table("SRAT", kSratRevision, body);
}

}  // namespace

std::vector<u8> acpi_tables(const MachineMap& map) {
    const u64 at = map.acpi_tables.start.value;
    acpi::Rsdp rsdp{};
    std::memcpy(rsdp.signature, "RSD PTR ", sizeof(rsdp.signature));
    std::memcpy(rsdp.oem, kOem, sizeof(rsdp.oem));
    rsdp.revision = 2;
    rsdp.length = sizeof(rsdp);
    rsdp.xsdt = at + kXsdtAt;
    const auto* bytes = reinterpret_cast<const u8*>(&rsdp);
    rsdp.checksum = balance(bytes, acpi::kRsdpV1Bytes);
    rsdp.checksum_all = balance(bytes, acpi::kRsdpBytes);
    std::vector<u8> list;
    append(list, u64{at + kSratAt});
    std::vector<u8> out;
    append(out, rsdp);
    const auto put = [&out](u64 offset, const std::vector<u8>& what) {
        out.resize(offset);
        out.insert(out.end(), what.begin(), what.end());
    };
    put(kXsdtAt, table("XSDT", 1, list));
    put(kSratAt, srat(map));
    return out;
}

}  // namespace baton::sim
