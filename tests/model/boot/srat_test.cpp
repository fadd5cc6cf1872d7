// SPDX-License-Identifier: GPL-2.0-only
// NUMA from ACPI: RSDP, XSDT, SRAT (specs/boot.md §5), and tables that firmware would not have written.
#include <random>

#include "model/boot/x86_64/acpi.hpp"
#include "tests/catch.hpp"
#include "tests/model/boot/boot_data.hpp"

using namespace baton;
using namespace baton::test;
using namespace baton::boot::acpi;
using Kind = sim::Fault::Kind;
using Bytes = std::vector<u8>;

namespace {

inline constexpr PhysAddr kRsdpAt{0x98000};
inline constexpr PhysAddr kXsdtAt{0x98100};
inline constexpr PhysAddr kSratAt{0x98200};

template <class T>
void append(Bytes& to, const T& v) {
    const auto* p = reinterpret_cast<const u8*>(&v);
    to.insert(to.end(), p, p + sizeof(v));
}

void balance(Bytes& b, u64 at, u64 n) {
    b[at] = 0;
    u32 sum = 0;
    for (u64 i = 0; i < n; ++i) sum += b[i];
    b[at] = static_cast<u8>(0 - sum);
}

struct Tables {
    u8 rsdp_revision = 2;
    u8 srat_revision = 3;
    Bytes entries;
    std::optional<u32> srat_length, xsdt_length;
    u64 xsdt_entry = kSratAt.value;
    bool srat_sum = true, xsdt_sum = true, rsdp_sum = true;

    Tables& memory(u32 domain, u64 base_mib, u64 mib, u32 flags = kSratEnabled) {
        return memory_bytes(domain, base_mib << 20, mib << 20, flags);
    }
    Tables& memory_bytes(u32 domain, u64 base, u64 length, u32 flags = kSratEnabled, u8 entry_length = 40) {
        SratMemoryEntry e{};
        e.head = {kSratMemory, entry_length};
        e.domain = domain;
        e.base = base;
        e.length = length;
        e.flags = flags;
        append(entries, e);
        return *this;
    }
    Tables& cpu(u32 domain, u8 apic, u32 flags = kSratEnabled) {
        SratCpuEntry e{};
        e.head = {kSratCpu, sizeof(e)};
        e.domain_low = static_cast<u8>(domain);
        for (int i = 0; i < 3; ++i) e.domain_high[i] = static_cast<u8>(domain >> (8 * (i + 1)));
        e.apic_id = apic;
        e.flags = flags;
        append(entries, e);
        return *this;
    }
    Tables& x2apic(u32 domain, u32 apic) {
        SratX2apicEntry e{};
        e.head = {kSratX2apic, sizeof(e)};
        e.domain = domain;
        e.apic_id = apic;
        e.flags = kSratEnabled;
        append(entries, e);
        return *this;
    }

    Bytes table(const char* signature, u8 revision, const Bytes& body, std::optional<u32> length, bool sum) const {
        TableHeader h{};
        std::memcpy(h.signature, signature, 4);
        h.length = length.value_or(static_cast<u32>(sizeof(h) + body.size()));
        h.revision = revision;
        Bytes out;
        append(out, h);
        out.insert(out.end(), body.begin(), body.end());
        out.resize(std::max<u64>(out.size(), std::min<u32>(h.length, 0x1000)));
        balance(out, 9, std::min<u64>(h.length, out.size()));
        if (!sum) ++out[9];
        return out;
    }
    void write(BareMachine& m) const {
        Bytes rsdp(36);
        std::memcpy(rsdp.data(), "RSD PTR ", 8);
        rsdp[15] = rsdp_revision;
        const u64 root = kXsdtAt.value;
        std::memcpy(&rsdp[rsdp_revision < 2 ? 16 : 24], &root, rsdp_revision < 2 ? 4 : 8);
        balance(rsdp, 8, 20);
        balance(rsdp, 32, 36);
        if (!rsdp_sum) ++rsdp[9];
        poke(m, kRsdpAt, rsdp.data(), rsdp.size());
        Bytes list;
        if (rsdp_revision < 2)
            append(list, static_cast<u32>(xsdt_entry));
        else
            append(list, xsdt_entry);
        const Bytes xsdt = table(rsdp_revision < 2 ? "RSDT" : "XSDT", 1, list, xsdt_length, xsdt_sum);
        poke(m, kXsdtAt, xsdt.data(), xsdt.size());
        Bytes body;
        append(body, u32{1});
        append(body, u64{0});
        body.insert(body.end(), entries.begin(), entries.end());
        Bytes srat = table("SRAT", srat_revision, body, srat_length, true);
        if (!srat_sum) ++srat[20];
        poke(m, kSratAt, srat.data(), srat.size());
    }
};

// 256 MiB, the tables in what the map says is ACPI's.
boot::BootParams page_with_tables(PhysAddr rsdp = kRsdpAt) {
    boot::BootParams p{};
    p.header = setup_header();
    p.header.type_of_loader = 0xff;
    p.acpi_rsdp = rsdp.value;
    const boot::E820Entry map[] = {{0, 0x98000, 1}, {0x98000, 0x7c00, 3}, {0x9fc00, 0x400, 2}, {kMiB, 255 * kMiB, 1}};
    for (const auto& e : map) p.e820_table[p.e820_entries++] = e;
    return p;
}

struct Boot {
    explicit Boot(const Tables& t, boot::BootParams p = page_with_tables()) {
        give(m, p);
        t.write(m);
        fault = m.run([&] { boot::setup_x86_64(m.kernel()); });
    }
    // "end in MiB:node", ascending
    std::string nodes() {
        std::string out;
        for (u64 i = 0; i < m.kernel().memblock.memory.cnt; ++i) {
            const MemblockRegion r = memblock::region(m.kernel().memblock.memory, i);
            out += std::to_string(r.end().value >> 20) + ":" + std::to_string(r.nid) + " ";
        }
        return out;
    }
    numa::Refusal refusal() const {
        for (const auto& l : m.logs)
            if (l.first == Log::kNumaOff) return static_cast<numa::Refusal>(l.second[0]);
        return numa::Refusal::kNone;
    }
    u64 check(Log id, u32 arg) const {
        for (const auto& l : m.logs)
            if (l.first == id) return l.second[arg];
        return 0;
    }
    BudgetMachine m;
    sim::Fault fault;
};

Tables two_nodes() { return Tables().cpu(0, 0).cpu(1, 1).memory(0, 0, 128).memory(1, 128, 128); }

const std::string kOff = "0:-1 256:-1 ";

void require_off(const Boot& b, numa::Refusal why) {
    CHECK(b.fault.kind == Kind::kNone);
    CHECK(b.refusal() == why);
    CHECK(const_cast<Boot&>(b).nodes() == kOff);
    CHECK(const_cast<Boot&>(b).m.kernel().numa.online == 0);
}

}  // namespace

TEST_CASE("SRAT: memory gets its nodes") {
    Boot b(two_nodes());
    REQUIRE(b.fault.kind == Kind::kNone);
    CHECK(b.nodes() == "0:0 128:0 256:1 ");
    const NumaState& n = b.m.kernel().numa;
    CHECK(n.online == 3);
    CHECK(n.with_memory == 3);
    CHECK(n.local == 0);
    CHECK(b.refusal() == numa::Refusal::kNone);
    CHECK(memblock::is_reserved(b.m.kernel().memblock, kSratAt));
}

TEST_CASE("SRAT: nodes count domains in the order they are named, CPUs first") {
    Boot b(Tables().memory(7, 0, 64).memory(0xffff0001, 64, 192).x2apic(300, 1).cpu(7, 0));
    CHECK(b.nodes() == "0:1 64:1 256:2 ");
    CHECK(b.m.kernel().numa.online == 7);
    CHECK(b.m.kernel().numa.with_memory == 6);
    CHECK(b.m.kernel().numa.local == 1);
}

TEST_CASE("SRAT: before revision 2 a domain is one byte, and an RSDP of revision 1 leads through the RSDT") {
    auto t = Tables().memory(0x101, 0, 128).memory(0x201, 128, 128).cpu(0x5501, 0);
    t.srat_revision = 1;
    t.rsdp_revision = 1;
    Boot b(t);
    CHECK(b.nodes() == "0:0 256:0 ");
    CHECK(b.m.kernel().numa.online == 1);
}

TEST_CASE("SRAT: what is not enabled or empty does not count") {
    Boot b(two_nodes().memory(5, 0, 256, 0).memory(1, 300, 0).cpu(9, 3, 0).memory(0, 512, 64));
    CHECK(b.nodes() == "0:0 128:0 256:1 ");
    CHECK(b.m.kernel().numa.online == 3);
    CHECK(b.m.logged(Log::kNumaEmptyBlock));
}

TEST_CASE("SRAT: entries of other types are stepped over, hot-pluggable memory is flagged") {
    auto t = two_nodes();
    for (const u8 byte : {9, 4, 1, 2}) t.entries.push_back(byte);
    t.memory(1, 192, 64, kSratEnabled | kSratHotplug);
    Boot b(t);
    CHECK(b.nodes() == "0:0 128:0 192:1 256:1 ");
    CHECK(memblock::region(b.m.kernel().memblock.memory, 3).flags == kMemblockHotplug);
}

TEST_CASE("SRAT: a machine without pointer, without the table, or with no memory in it has no NUMA and no word") {
    for (int i = 0; i < 3; ++i) {
        auto t = i == 2 ? Tables().cpu(0, 0) : two_nodes();
        if (i == 1) t.xsdt_entry = kRsdpAt.value;  // some other table
        Boot b(t, page_with_tables(i == 0 ? PhysAddr{} : kRsdpAt));
        CHECK(b.fault.kind == Kind::kNone);
        CHECK(b.nodes() == kOff);
        CHECK_FALSE(b.m.logged(Log::kNumaOff));
    }
}

TEST_CASE("SRAT: a pointer to anywhere boots without NUMA") {
    // Above RAM, in the BIOS's hole, at the end of the address space, across an entry's end.
    for (const u64 at : {u64{1} << 40, u64{0xf0000}, ~u64{0} - 3, u64{0x9fbf0}, u64{0x400}}) {
        Boot b(two_nodes(), page_with_tables({at}));
        require_off(b, numa::Refusal::kFirmware);
        CHECK(b.m.logged(Log::kAcpiBadRsdp));
        CHECK(b.check(Log::kAcpiBadRsdp, 1) == static_cast<u64>(at == 0x400 ? Check::kSignature : Check::kNotMemory));
    }
}

TEST_CASE("SRAT: bad checksums are not believed") {
    auto rsdp = two_nodes();
    rsdp.rsdp_sum = false;
    Boot a(rsdp);
    require_off(a, numa::Refusal::kFirmware);
    CHECK(a.check(Log::kAcpiBadRsdp, 1) == static_cast<u64>(Check::kChecksum));
    auto xsdt = two_nodes();
    xsdt.xsdt_sum = false;
    Boot b(xsdt);
    require_off(b, numa::Refusal::kFirmware);
    CHECK(b.check(Log::kAcpiBadTable, 0) == kXsdtAt.value);
    CHECK(b.check(Log::kAcpiBadTable, 2) == static_cast<u64>(Check::kChecksum));
    auto srat = two_nodes();
    srat.srat_sum = false;
    Boot c(srat);
    require_off(c, numa::Refusal::kFirmware);
    CHECK(c.check(Log::kAcpiBadTable, 0) == kSratAt.value);
}

TEST_CASE("SRAT: impossible lengths of tables are not believed") {
    struct Case {
        u32 length;
        Check why;
    };
    for (const Case c :
         {Case{0, Check::kLength}, Case{35, Check::kLength}, Case{47, Check::kLength}, Case{0xffffffff, Check::kLength},
          Case{0x100001, Check::kLength}, Case{0x8000, Check::kNotMemory}}) {
        auto t = two_nodes();
        t.srat_length = c.length;
        Boot b(t);
        require_off(b, numa::Refusal::kFirmware);
        CHECK(b.check(Log::kAcpiBadTable, 2) == static_cast<u64>(c.why));
    }
    auto t = two_nodes();
    t.xsdt_length = 0xffffffff;
    Boot b(t);
    require_off(b, numa::Refusal::kFirmware);
}

TEST_CASE("SRAT: an entry of no length, of too few bytes, or beyond the table's end is the end of NUMA") {
    for (const u8 length : {u8{0}, u8{1}, u8{39}, u8{41}, u8{255}}) {
        Boot b(two_nodes().memory_bytes(1, 0, kMiB, kSratEnabled, length));
        require_off(b, numa::Refusal::kFirmware);
        CHECK(b.m.logged(Log::kSratBadEntry));
    }
    auto cut = two_nodes();
    cut.entries.pop_back();
    require_off(Boot(cut), numa::Refusal::kFirmware);
}

TEST_CASE("SRAT: memory on two nodes, RAM on none, nodes in one pageblock, too many of either") {
    require_off(Boot(two_nodes().memory(1, 127, 1)), numa::Refusal::kOverlap);
    require_off(Boot(Tables().memory(0, 0, 128).memory(1, 130, 126)), numa::Refusal::kUncovered);
    require_off(Boot(Tables().memory(0, 0, 127).memory(1, 127, 129)), numa::Refusal::kPageblock);
    auto blocks = Tables();
    for (u32 i = 0; i < 129; ++i) blocks.memory(0, i, 1);
    require_off(Boot(blocks), numa::Refusal::kTooMany);
    auto domains = Tables();
    for (u32 i = 0; i < 65; ++i) domains.cpu(i, static_cast<u8>(i));
    require_off(Boot(domains), numa::Refusal::kTooMany);
    // The same node twice is no contradiction, and less than 1 MiB may be left out.
    Boot same(Tables().memory(0, 0, 200).memory(0, 100, 100).memory_bytes(1, 200 * kMiB, 56 * kMiB - 0x1000));
    CHECK(same.nodes() == "0:0 200:0 256:1 ");
}

TEST_CASE("SRAT: blocks that wrap or end above any RAM are cut to what is there, or ignored") {
    Boot b(Tables()
               .memory_bytes(0, 0, 128 * kMiB)
               .memory_bytes(1, 128 * kMiB, ~u64{0} - 128 * kMiB)
               .memory_bytes(2, 200 * kMiB, ~u64{0}));
    CHECK(b.nodes() == "0:0 128:0 256:1 ");
    CHECK(b.m.logged(Log::kNumaEmptyBlock));
}

TEST_CASE("SRAT: damaged tables never hang or end a kernel") {
    std::mt19937_64 random(7);
    const auto good = two_nodes().memory(2, 512, 64).x2apic(3, 9);
    for (int i = 0; i < 400; ++i) {
        BudgetMachine m;
        give(m, page_with_tables());
        good.write(m);
        const int flips = 1 + static_cast<int>(random() % 3);
        for (int f = 0; f < flips; ++f) *m.bytes(kRsdpAt + random() % 0x2f0) ^= static_cast<std::byte>(random());
        // Half of them with sound checksums, so that the rest is looked at.
        if (i % 2 == 0) {
            for (const PhysAddr at : {kXsdtAt, kSratAt}) {
                u32 length = 0;
                std::memcpy(&length, m.bytes(at + 4), 4);
                if (length > 0x1000) continue;
                auto* p = reinterpret_cast<u8*>(m.bytes(at));
                u32 sum = 0;
                for (u32 n = 0; n < length; ++n) sum += p[n];
                p[9] = static_cast<u8>(p[9] - sum);
            }
        }
        const auto fault = m.run([&] { boot::setup_x86_64(m.kernel()); });
        CHECK(fault.kind == Kind::kNone);
    }
}
