// SPDX-License-Identifier: GPL-2.0-only
// `kexec-metadata` (specs/kho.md §2.10): the releases and the number of kexecs behind a kernel.
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using test::KhoMachine;

namespace {

kho::KexecMetadata blob_of(const Kernel& k) { return ram::load<kho::KexecMetadata>(k.kho.metadata_blob); }

}  // namespace

TEST_CASE("kho metadata: the count is 0 after a cold boot and one more with each kexec") {
    KhoMachine m({}, test::small_ram(), Generation::k7_1);
    m.boot();
    for (u32 hop = 0; hop < 4; ++hop) {
        const Kernel& k = m.kernel();
        CHECK(k.kho.kexec_count == hop);
        CHECK(blob_of(k).version == 1);
        CHECK(blob_of(k).kexec_count == hop);
        CHECK(std::string_view(blob_of(k).previous_release) == "7.1.0");
        CHECK(m.logged(Log::kKhoMetadata) == (hop != 0));
        m.kexec();
        const auto blob = kho::retrieve_subtree(k, kho::kKexecMetadataSubtree);
        REQUIRE(blob);
        CHECK(blob->bytes == 73);
    }
}

TEST_CASE("kho metadata: a blob of another version, or too small, is ignored with a warning") {
    for (const bool small : {false, true}) {
        KhoMachine m({}, test::small_ram(), Generation::k7_1);
        m.boot();
        m.kexec();
        Kernel& k = m.kernel();
        if (small) {
            const PhysAddr blob = k.kho.metadata_blob;
            kho::remove_subtree(k, blob);
            REQUIRE(kho::add_subtree(k, kho::kKexecMetadataSubtree, {blob, 72}));
        } else {
            ram::store(k.kho.metadata_blob, u32{2});
        }
        m.kexec();
        CHECK(m.logged(Log::kKhoMetadataBad));
        CHECK(k.kho.kexec_count == 0);
        CHECK(k.kho.is_kho_boot == 1);
    }
}

TEST_CASE("kho metadata: generations before kho-v3 have none") {
    for (const Generation generation : {Generation::k6_18, Generation::k7_0, Generation::k7_1_v2}) {
        KhoMachine m({}, test::small_ram(), generation);
        m.boot();
        m.finalise();
        m.kexec();
        CHECK(m.kernel().kho.metadata_blob.value == 0);
        CHECK(kho::retrieve_subtree(m.kernel(), kho::kKexecMetadataSubtree).error() == Errno::kENOENT);
    }
}
