// SPDX-License-Identifier: GPL-2.0-only
// SRAT: which proximity domain memory and CPUs belong to (specs/boot.md §5).
//
// Domains are any numbers; nodes count up from 0 in the order in which the table first names a domain, CPUs before
// memory, as in Linux. Firmware that makes domains dense has nodes of the same numbers.
#include "model/boot/x86_64/acpi.hpp"
#include "model/kernel.hpp"

namespace baton::boot {
namespace {

using namespace acpi;

struct Domains {
    u32 count = 0;
    u32 ids[kNodesMax];

    // kNoNode: one domain too many.
    NodeId node_of(u32 domain) {
        for (u32 i = 0; i < count; ++i)
            if (ids[i] == domain) return {static_cast<i32>(i)};
        if (count == kNodesMax) return kNoNode;
        ids[count] = domain;
        return {static_cast<i32>(count++)};
    }
};

struct Reader {
    PhysRange table;
    u8 revision;
    Domains domains{};
    numa::Layout layout{};

    u32 domain(u32 stated) const { return revision < 2 ? stated & 0xff : stated; }

    // False: the rest of the table is not worth reading.
    bool bad_entry(PhysAddr at, SratEntry e) {
        platform::log(LogLevel::kWarn, Log::kSratBadEntry, at.value, e.type, e.length);
        layout.refuse(numa::Refusal::kFirmware);
        return false;
    }
    bool node_for(u32 stated, NodeId& nid) {
        nid = domains.node_of(domain(stated));
        if (nid != kNoNode) return true;
        platform::log(LogLevel::kWarn, Log::kNumaBadNode, kNodesMax, kNodesMax);
        layout.refuse(numa::Refusal::kTooMany);
        return false;
    }
    bool take_cpu(u32 stated, u32 apic_id, u32 flags) {
        NodeId nid;
        if ((flags & kSratEnabled) == 0) return true;
        if (!node_for(stated, nid)) return false;
        layout.cpus |= u64{1} << nid.value;
        if (apic_id == 0) layout.boot_node = static_cast<u32>(nid.value);  // the CPU we are on
        return true;
    }
    bool cpu(PhysAddr at, SratEntry head) {
        if (head.type == kSratCpu) {
            if (head.length != sizeof(SratCpuEntry)) return bad_entry(at, head);
            const auto e = ram::load<SratCpuEntry>(at);
            const u32 high =
                revision < 2 ? 0
                             : u32{e.domain_high[0]} << 8 | u32{e.domain_high[1]} << 16 | u32{e.domain_high[2]} << 24;
            return take_cpu(high | e.domain_low, e.apic_id, e.flags);
        }
        if (head.length != sizeof(SratX2apicEntry)) return bad_entry(at, head);
        const auto e = ram::load<SratX2apicEntry>(at);
        return take_cpu(e.domain, e.apic_id, e.flags);
    }
    bool memory(PhysAddr at, SratEntry head) {
        if (head.length != sizeof(SratMemoryEntry)) return bad_entry(at, head);
        const auto e = ram::load<SratMemoryEntry>(at);
        if ((e.flags & kSratEnabled) == 0) return true;
        NodeId nid;
        if (!node_for(e.domain, nid)) return false;
        layout.add({{{e.base}, e.length}, nid, (e.flags & kSratHotplug) != 0});
        return true;
    }

    // One pass over the entries; what is not asked for is stepped over.
    bool pass(bool of_memory) {
        const PhysAddr end = table.end();
        for (PhysAddr at = table.start + kSratEntries; at < end;) {
            platform::charge(Work::kListLinks, 1);
            SratEntry head{};
            if (end - at >= sizeof(head)) head = ram::load<SratEntry>(at);
            if (head.length < sizeof(head) || head.length > end - at) return bad_entry(at, head);
            const bool is_cpu = head.type == kSratCpu || head.type == kSratX2apic;
            if (!of_memory && is_cpu && !cpu(at, head)) return false;
            if (of_memory && head.type == kSratMemory && !memory(at, head)) return false;
            at += head.length;
        }
        return true;
    }
};

}  // namespace

void take_nodes_x86_64(Kernel& k) {
    bool damaged = false;
    const auto table = find_table(k, "SRAT", damaged);
    if (!table && !damaged) return;
    Reader r{.table = table.value_or(PhysRange{}), .revision = 0};
    if (!damaged && r.table.size < kSratEntries) {
        platform::log(LogLevel::kWarn, Log::kAcpiBadTable, r.table.start.value, r.table.size,
                      static_cast<u64>(Check::kLength));
        damaged = true;
    }
    if (damaged) {
        r.layout.refuse(numa::Refusal::kFirmware);
    } else {
        r.revision = ram::load<TableHeader>(table->start).revision;
        if (r.pass(false)) r.pass(true);
    }
    numa::adopt(k, r.layout);
}

}  // namespace baton::boot
