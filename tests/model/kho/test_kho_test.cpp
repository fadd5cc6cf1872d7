// SPDX-License-Identifier: GPL-2.0-only
// lib/test_kho across a kexec (specs/kho.md §7): our two halves, and the blobs that real kernels wrote.
#include "model/kho/test_kho.hpp"

#include <libfdt.h>

#include "model/kho/fdt.hpp"
#include "model/kho/vmalloc.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;
namespace test_kho = kho::test_kho;

namespace {

constexpr Generation kWithVmalloc[] = {Generation::k6_18, Generation::k7_0, Generation::k7_1_v2, Generation::k7_1};

}  // namespace

TEST_CASE("test_kho: what one kernel saves the next restores, orders and checksum alike, and frees") {
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_4K}) {
        for (const Generation generation : kWithVmalloc) {
            for (const u64 bytes : {u64{4096}, 300 * kKiB, 8 * kMiB}) {
                CAPTURE(rules_for(generation).release, bytes);
                const u64 start = id == GeometryId::kX86_64 ? 0 : kGiB;
                KhoMachine m(id, {{start}, 256 * kMiB}, generation);
                m.boot();
                Kernel& k = m.kernel();
                test_kho::Outcome saved{};
                REQUIRE(test_kho::save(k, bytes, saved));
                CHECK(saved.bytes == bytes);
                CHECK(saved.folios != 0);
                m.finalise();
                m.kexec();
                const u64 free_before = m.free_pages();
                test_kho::Outcome restored{};
                REQUIRE(test_kho::restore(k, restored));
                CHECK(restored.folios == saved.folios);
                CHECK(restored.bytes == saved.bytes);
                CHECK(restored.checksum == saved.checksum);
                CHECK(m.logged(Log::kTestKhoSucceeded));
                // The folios, the page of their list, and its chunk; the tables that mapped the list stay.
                CHECK(m.free_pages() == free_before + bytes / 4096 + 2 - 3);
                CHECK(m.warnings == 0);
                CHECK(test_kho::restore(k, restored).error() == Errno::kEINVAL);  // only once
            }
        }
    }
}

TEST_CASE("test_kho: one byte is enough to fail, and the outcome tells both checksums") {
    KhoMachine m;
    m.boot();
    test_kho::Outcome saved{};
    REQUIRE(test_kho::save(m.kernel(), kMiB, saved));
    REQUIRE(kho::finalise(m.kernel()));
    const auto blob = [&] {
        const kho::FdtView view = kho::open_fdt(m.kernel().kho.fdt, 4096);
        return *kho::u64_property(view.tree, fdt_subnode_offset(view.tree, 0, "kho_test"), "fdt");
    }();
    const kho::FdtView tree = kho::open_fdt({blob}, 4096);
    const auto list =
        *kho::property<kho::VmallocDescriptor>(tree.tree, fdt_subnode_offset(tree.tree, 0, "data"), "folios_info");
    const u64 page = ram::load<u64>(list.first + 8);
    const u64 folio = ram::load<u64>({page}) & ~u64{0xfff};
    m.kexec();
    ram::store<u8>({folio}, ram::load<u8>({folio}) ^ 1);
    test_kho::Outcome restored{};
    CHECK(test_kho::restore(m.kernel(), restored).error() == Errno::kEINVAL);
    CHECK(restored.folios == saved.folios);
    CHECK(restored.stated == saved.checksum);
    CHECK(restored.checksum != saved.checksum);
    CHECK_FALSE(m.logged(Log::kTestKhoSucceeded));
}

TEST_CASE("test_kho: nothing to save into, and nothing to restore") {
    test_kho::Outcome outcome{};
    {
        KhoMachine m;
        m.boot("");
        CHECK(test_kho::save(m.kernel(), kMiB, outcome).error() == Errno::kEOPNOTSUPP);
        CHECK(test_kho::restore(m.kernel(), outcome).error() == Errno::kENOENT);
    }
    {
        KhoMachine m({}, test::small_ram(), Generation::k6_16);
        m.boot();
        CHECK(test_kho::save(m.kernel(), kMiB, outcome).error() == Errno::kEOPNOTSUPP);
    }
    KhoMachine m;
    m.boot();
    CHECK(test_kho::save(m.kernel(), 4095, outcome).error() == Errno::kEINVAL);
    REQUIRE(kho::add_subtree(m.kernel(), "kho_test", {{64 * kMiB}, 1}));
    REQUIRE(kho::finalise(m.kernel()));
    m.kexec();
    CHECK(test_kho::restore(m.kernel(), outcome).error() == Errno::kEINVAL);  // no tree
}
