// SPDX-License-Identifier: GPL-2.0-only
#include "model/boot/x86_64/acpi.hpp"

#include <algorithm>

#include "model/boot/early.hpp"
#include "model/kernel.hpp"

namespace baton::boot::acpi {
namespace {

// What firmware calls RAM or its own tables. Elsewhere nothing need answer.
bool is_readable(const Kernel& k, PhysRange r) {
    if (r.end() < r.start) return false;
    for (u64 i = 0; i < k.boot.memory_map_count; ++i) {
        const MemoryMapEntry& e = k.boot.memory_map[i];
        platform::charge(Work::kListLinks, 1);
        const bool kept = e.type == static_cast<u32>(MemoryType::kRam) || e.type == static_cast<u32>(MemoryType::kAcpi);
        if (kept && PhysRange{e.start, e.size}.contains(r)) return true;
    }
    return false;
}

u8 sum_of(PhysRange r) {
    const u8* bytes = ram::read<u8>(r.start, r.size);
    u32 sum = 0;
    for (u64 i = 0; i < r.size; ++i) sum += bytes[i];
    platform::charge(Work::kBytesCopied, r.size);
    return static_cast<u8>(sum);
}

bool bad_rsdp(PhysAddr at, Check why) {
    platform::log(LogLevel::kWarn, Log::kAcpiBadRsdp, at.value, static_cast<u64>(why));
    return false;
}

bool rsdp_is_sound(const Kernel& k, PhysAddr at) {
    if (!is_readable(k, {at, kRsdpV1Bytes})) return bad_rsdp(at, Check::kNotMemory);
    if (!ram::equal(at, "RSD PTR ", 8)) return bad_rsdp(at, Check::kSignature);
    if (sum_of({at, kRsdpV1Bytes}) != 0) return bad_rsdp(at, Check::kChecksum);
    const u8 revision = ram::load<u8>(at + offsetof(Rsdp, revision));
    if (revision < 2) return true;
    if (!is_readable(k, {at, kRsdpBytes})) return bad_rsdp(at, Check::kNotMemory);
    return sum_of({at, kRsdpBytes}) == 0 || bad_rsdp(at, Check::kChecksum);
}

std::optional<PhysRange> bad_table(PhysRange r, Check why) {
    platform::log(LogLevel::kWarn, Log::kAcpiBadTable, r.start.value, r.size, static_cast<u64>(why));
    return {};
}

// The table at an address, if it is whole.
std::optional<PhysRange> sound_table(const Kernel& k, PhysAddr at) {
    if (!is_readable(k, {at, sizeof(TableHeader)})) return bad_table({at, 0}, Check::kNotMemory);
    const PhysRange table{at, ram::load<TableHeader>(at).length};
    if (table.size < sizeof(TableHeader) || table.size > kTableBytesMax) return bad_table(table, Check::kLength);
    if (!is_readable(k, table)) return bad_table(table, Check::kNotMemory);
    if (sum_of(table) != 0) return bad_table(table, Check::kChecksum);
    return table;
}

// Not memory for anybody else, even where firmware calls it RAM.
void keep(Kernel& k, PhysRange r) { expect_recorded(memblock::reserve(k.memblock, r)); }

// XSDT with 64-bit entries, or RSDT with 32-bit ones.
struct Root {
    PhysAddr at;
    u64 entry_bytes;
    std::string_view signature;
};

Root root_of(PhysAddr rsdp) {
    const Root old{{ram::load<u32>(rsdp + offsetof(Rsdp, rsdt))}, sizeof(u32), "RSDT"};
    if (ram::load<u8>(rsdp + offsetof(Rsdp, revision)) < 2) return old;
    const u64 xsdt = ram::load<u64>(rsdp + offsetof(Rsdp, xsdt));
    return xsdt != 0 ? Root{{xsdt}, sizeof(u64), "XSDT"} : old;
}

}  // namespace

std::optional<PhysRange> find_table(Kernel& k, std::string_view signature, bool& damaged) {
    const PhysAddr rsdp{k.boot.acpi_rsdp};
    damaged = false;
    if (rsdp.value == 0) return {};
    damaged = true;
    if (!rsdp_is_sound(k, rsdp)) return {};
    const Root root = root_of(rsdp);
    const auto list = sound_table(k, root.at);
    if (!list) return {};
    if (!ram::equal(root.at, root.signature.data(), 4)) return bad_table(*list, Check::kSignature);
    keep(k, {rsdp, kRsdpBytes});
    keep(k, *list);
    const PhysAddr end = list->end();
    for (PhysAddr at = list->start + sizeof(TableHeader); end - at >= root.entry_bytes; at += root.entry_bytes) {
        platform::charge(Work::kListLinks, 1);
        const PhysAddr table{root.entry_bytes == sizeof(u64) ? ram::load<u64>(at) : ram::load<u32>(at)};
        // Other tables are nobody's business here: they need not be sound.
        if (!is_readable(k, {table, sizeof(TableHeader)})) continue;
        if (!ram::equal(table, signature.data(), 4)) continue;
        const auto found = sound_table(k, table);
        if (!found) return {};
        keep(k, *found);
        damaged = false;
        return found;
    }
    damaged = false;
    return {};
}

}  // namespace baton::boot::acpi
