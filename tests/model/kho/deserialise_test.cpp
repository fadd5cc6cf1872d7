// SPDX-License-Identifier: GPL-2.0-only
// Broken trackers: what a device, or another format, may have left in the chunk list (specs/kho.md §2.2, §10.1).
#include "model/kho/chunks.hpp"
#include "model/kho/fdt.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::BlockSet;
using test::KhoMachine;

namespace {

/// A finalised handover of one folio run [64 MiB, +16 pages), about to be kexec'ed.
class Broken : public KhoMachine {
public:
    explicit Broken(Generation generation = Generation::k6_18)
        : KhoMachine(GeometryId::kX86_64, test::small_ram(), generation) {
        boot();
        if (!kho::preserve_pages(kernel(), {64 * kMiB}, 16)) throw std::runtime_error("preserve failed");
        if (!kho::finalise(kernel())) throw std::runtime_error("finalise failed");
        chunk = kernel().kho.first_chunk;
        fdt = kernel().kho.fdt;
        calls_max = 300'000;
    }
    kho::ChunkHeader* header() { return ram::write<kho::ChunkHeader>(chunk); }
    kho::ChunkEntry* entry(u64 i) { return ram::write<kho::ChunkEntry>(chunk + 16 + i * 16); }
    sim::Fault next() {
        before_free_all = [this] { blocks = incoming_blocks(); };
        return run([this] { kexec(); });
    }

    PhysAddr chunk;  // order 0: the root FDT; the next one is order 4
    PhysAddr fdt;
    BlockSet blocks;
};

}  // namespace

TEST_CASE("kho deserialise: a cyclic list is a hang") {
    Broken m(GENERATE(Generation::k6_16, Generation::k6_18));
    SECTION("of one chunk") { m.header()->next = m.chunk; }
    SECTION("of two chunks") {
        const PhysAddr second = m.header()->next;
        ram::write<kho::ChunkHeader>(second)->next = m.chunk;
    }
    SECTION("of an empty chunk") {
        m.header()->next = m.chunk;
        m.header()->num_elms = 0;
    }
    CHECK(m.next().kind == sim::Fault::Kind::kHang);
}

TEST_CASE("kho deserialise: links out of memory kill the kernel, not the host") {
    Broken m;
    SECTION("next chunk") { m.header()->next = {kTiB}; }
    SECTION("next chunk at the end of memory") { m.header()->next = m.ram().end() - 8; }
    SECTION("next chunk at the end of the address space") { m.header()->next = {~u64{0}}; }
    SECTION("bitmap") { m.entry(0)->bitmap = {kTiB}; }
    SECTION("bitmap at the end of memory") { m.entry(0)->bitmap = m.ram().end() - 8; }
    SECTION("first chunk") { REQUIRE(kho::write_root_fdt(m.fdt, 4096, {"kho-v1", "fdt", {kTiB}, {}})); }
    SECTION("a block without struct page") { m.entry(0)->phys_start = {kTiB}; }
    CHECK(m.next().kind == sim::Fault::Kind::kBadAccess);
}

TEST_CASE("kho deserialise: more entries than a page holds are cut and logged") {
    Broken m;
    m.header()->num_elms = ~0u;
    for (u64 i = 1; i < 255; ++i) *m.entry(i) = *m.entry(0);
    CHECK(m.next().kind == sim::Fault::Kind::kNone);
    CHECK(m.logged(Log::kKhoChunkTooLong));
    CHECK(m.site_count(Site::kKhoDeserialiseBlock) == 256);
    CHECK(m.blocks.size() == 2);
}

TEST_CASE("kho deserialise: an order that no address has ends the walk") {
    for (const u32 order : {53u, 64u, ~0u}) {
        Broken m;
        m.header()->order = order;
        CHECK(m.next().kind == sim::Fault::Kind::kNone);
        CHECK(m.logged(Log::kKhoChunkBadOrder));
        CHECK(m.blocks.empty());
        CHECK(m.kernel().kho.is_kho_boot == 1);
    }
}

TEST_CASE("kho deserialise: a walk for a query is bounded and never kills the kernel") {
    Broken m;
    REQUIRE(m.next().kind == sim::Fault::Kind::kNone);
    Kernel& k = m.kernel();
    ram::store(m.chunk, kho::ChunkHeader{m.chunk, 0, 0});
    REQUIRE(kho::write_root_fdt(k.kho.incoming.fdt, 4096, {"kho-v1", "fdt", m.chunk, {}}));
    CHECK(kho::incoming_block(k, 0).error() == Errno::kEFAULT);
    ram::store(m.chunk, kho::ChunkHeader{{kTiB}, 0, 0});
    CHECK(kho::incoming_block(k, 0).error() == Errno::kEFAULT);
    ram::store(m.chunk, kho::ChunkHeader{{}, 60, 0});
    CHECK(kho::incoming_block(k, 0).error() == Errno::kEFAULT);
    ram::store(m.chunk, kho::ChunkHeader{{}, 0, 0});
    CHECK(kho::incoming_block(k, 0).error() == Errno::kENOENT);
    ram::store(k.kho.incoming.fdt, u64{0});
    CHECK(kho::incoming_block(k, 0).error() == Errno::kEFAULT);
}

TEST_CASE("kho deserialise: a block listed twice, or inside scratch, is accepted (§10.11)") {
    Broken m;
    *m.entry(1) = *m.entry(0);
    m.header()->num_elms = 2;
    const PhysAddr in_scratch = kho::scratch_area(m.kernel(), 1).addr;
    *m.entry(2) = {in_scratch, m.entry(0)->bitmap};
    m.header()->num_elms = 3;
    // The root FDT's bit, in a window that begins in scratch.
    const auto bit = ((m.fdt.value >> 12) % 32768) << 12;
    CHECK(m.next().kind == sim::Fault::Kind::kNone);
    CHECK(m.blocks == BlockSet{{0, m.fdt.value}, {0, in_scratch.value + bit}, {4, 64 * kMiB}});
}

TEST_CASE("kho deserialise: 6.16 and 6.18 misread each other's bitmaps under one compatible string (§10.1)") {
    KhoMachine m({}, test::small_ram(), Generation::k6_18);
    m.boot();
    Kernel& k = m.kernel();
    REQUIRE(kho::preserve_pages(k, {4 * kMiB}, 1));
    REQUIRE(kho::preserve_pages(k, {40 * kMiB + 4096}, 1));  // past the first 4096 bits
    REQUIRE(kho::finalise(k));
    const KhoIncoming incoming = m.hand_over();
    m.reset_kernel(Generation::k6_16);
    BlockSet blocks;
    m.before_free_all = [&] { blocks = m.incoming_blocks(); };
    m.boot(KhoMachine::kCommandLine, &incoming);
    CHECK(blocks.contains({0, 4 * kMiB}));
    CHECK_FALSE(blocks.contains({0, 40 * kMiB + 4096}));
}
