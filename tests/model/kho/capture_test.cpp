// SPDX-License-Identifier: GPL-2.0-only
// Handovers of real Linux kernels (tests/data/linux-kho), placed at their addresses and read by ours.
//
// Only the metadata pages are there, which is all that populate, reserve_mem and the walk look at.
#include <fstream>
#include <nlohmann/json.hpp>

#include "model/kho/fdt.hpp"
#include "model/kho/test_kho.hpp"
#include "tests/catch.hpp"
#include "tests/model/kho/kho_machine.hpp"

using namespace baton;
using nlohmann::json;
using test::BlockSet;
using test::KhoMachine;

namespace {

/// Where no capture has anything: placing its pages must not overwrite the kernel that reads them.
constexpr u64 kImageOffset = 8 * kMiB;

const std::string kFolder = std::string(BATON_SOURCE_DIR) + "/tests/data/linux-kho/";

u64 number(const json& j) { return j.is_string() ? std::stoull(j.get<std::string>(), nullptr, 0) : j.get<u64>(); }

struct Capture {
    std::string name;
    json manifest;

    explicit Capture(const std::string& folder) : name(folder) {
        std::ifstream in(kFolder + folder + "/manifest.json");
        REQUIRE(in);
        manifest = json::parse(in);
    }
    GeometryId geometry() const { return manifest["arch"] == "x86_64" ? GeometryId::kX86_64 : GeometryId::kAArch64_4K; }
    Generation generation() const {
        for (const GenerationInfo& row : kGenerations)
            if (manifest["generation"] == row.name) return row.id;
        throw std::runtime_error("unknown generation");
    }
    PhysRange ram() const { return {{number(manifest["ram_base"])}, number(manifest["mem_mb"]) * kMiB}; }
    KhoIncoming incoming() const {
        return {{number(manifest["kho_fdt"])},
                number(manifest["kho_fdt_size"]),
                {number(manifest["scratch"])},
                number(manifest["scratch_len"])};
    }
    void place() const {
        for (const json& segment : manifest["segments"]) {
            std::ifstream in(kFolder + name + "/" + segment["file"].get<std::string>(), std::ios::binary);
            REQUIRE(in);
            const u64 size = number(segment["size"]);
            in.read(reinterpret_cast<char*>(ram::write<u8>({number(segment["phys"])}, size)),
                    static_cast<std::streamsize>(size));
            REQUIRE(in);
        }
    }
    BlockSet preserved() const {
        BlockSet set;
        for (const json& block : manifest["expect"]["preserved"])
            set.insert({static_cast<u32>(number(block[1])), number(block[0])});
        return set;
    }
};

}  // namespace

TEST_CASE("kho capture: what real kernels preserved is what we reserve, and their regions are revived") {
    for (const char* folder : {"x86_64-6.16", "aarch64-6.16", "x86_64-6.18-test_kho", "aarch64-v2-radix"}) {
        CAPTURE(folder);
        const Capture capture(folder);
        KhoMachine m(capture.geometry(), capture.ram(), capture.generation(), kImageOffset);
        capture.place();
        BlockSet reserved;
        m.on_site = [&](Site site, u64 phys, u64 order) {
            if (site == Site::kKhoDeserialiseBlock) reserved.insert({static_cast<u32>(order), phys});
        };
        BlockSet walked;
        m.before_free_all = [&] { walked = m.incoming_blocks(); };
        const KhoIncoming incoming = capture.incoming();
        const std::string options = capture.manifest["cmdline"].get<std::string>();
        m.boot("kho=on " + options, &incoming);
        const Kernel& k = m.kernel();
        REQUIRE(k.kho.is_kho_boot == 1);
        CHECK(k.kho.scratch_count == 3);
        CHECK(reserved == capture.preserved());
        CHECK(walked == capture.preserved());
        for (const json& name : capture.manifest["expect"]["sub_fdts"])
            CHECK(kho::retrieve_subtree(k, name.get<std::string>()));
        REQUIRE(k.reserve_mem.count == 2);
        for (u32 i = 0; i < 2; ++i) {
            CHECK(k.reserve_mem.entries[i].revived == 1);
            CHECK(k.reserve_mem.entries[i].start == PhysAddr{number(capture.manifest["patterned"][i][0])});
        }
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho capture: our writer makes the FDTs that real 6.16 and 6.18 kernels made") {
    for (const char* folder : {"x86_64-6.16", "aarch64-6.16", "x86_64-6.18-test_kho"}) {
        CAPTURE(folder);
        const Capture capture(folder);
        KhoMachine m(capture.geometry(), capture.ram(), capture.generation(), kImageOffset);
        capture.place();
        const PhysAddr fdt{number(capture.manifest["kho_fdt"])};
        const kho::FdtView theirs = kho::open_fdt(fdt, 4096);
        REQUIRE(theirs.error == 0);
        std::vector<KhoSubtree> children;
        const json& names = capture.manifest["expect"]["sub_fdts"];
        const KhoIncoming incoming = capture.incoming();
        m.boot("", &incoming);
        for (const json& name : names) {
            KhoSubtree child{};
            name.get<std::string>().copy(child.name, sizeof child.name - 1);
            child.blob = kho::retrieve_subtree(m.kernel(), child.name)->phys;
            children.push_back(child);
        }
        const PhysAddr ours{m.ram().start + 32 * kMiB};
        const PhysAddr head{*kho::u64_property(theirs.tree, 0, kho::kMapProperty)};
        const auto size = kho::write_root_fdt(ours, 4096, {"kho-v1", "fdt", head, children});
        REQUIRE(size);
        CHECK(ram::equal(ours, theirs.tree, *size));
    }
}

TEST_CASE("kho capture: test_kho's folios of real kernels come back with the orders of their list") {
    for (const char* folder : {"x86_64-6.18-test_kho", "aarch64-v2-radix"}) {
        CAPTURE(folder);
        const Capture capture(folder);
        KhoMachine m(capture.geometry(), capture.ram(), capture.generation(), kImageOffset);
        capture.place();
        const KhoIncoming incoming = capture.incoming();
        m.boot("kho=on", &incoming);
        Kernel& k = m.kernel();
        const bool x86 = capture.geometry() == GeometryId::kX86_64;
        kho::test_kho::Outcome outcome{};
        // The capture has the list, not the folios' content: all come back, and the checksum is not what is stated.
        CHECK(kho::test_kho::restore(k, outcome).error() == Errno::kEINVAL);
        CHECK(outcome.folios == (x86 ? 10u : 8u));
        CHECK(outcome.bytes == kMiB);
        CHECK(outcome.stated == (x86 ? 0x01b885acu : 0x000398a6u));
        CHECK(outcome.checksum == 0);
        CHECK(m.warnings == 0);
    }
}

TEST_CASE("kho capture: our test_kho writes the blob that real kernels wrote") {
    for (const char* folder : {"x86_64-6.18-test_kho", "aarch64-v2-radix"}) {
        CAPTURE(folder);
        const Capture capture(folder);
        KhoMachine m(capture.geometry(), capture.ram(), capture.generation(), kImageOffset);
        capture.place();
        const KhoIncoming incoming = capture.incoming();
        m.boot("", &incoming);
        const auto theirs = kho::retrieve_subtree(m.kernel(), "kho_test");
        REQUIRE(theirs);
        const bool x86 = capture.geometry() == GeometryId::kX86_64;
        const kho::VmallocDescriptor list{{x86 ? 0x21d000u : 0x40df0000u}, 1, 1, 0};
        const kho::test_kho::Outcome outcome{
            .folios = x86 ? 10u : 8u, .bytes = 0, .checksum = x86 ? 0x01b885acu : 0x000398a6u, .stated = 0};
        const PhysAddr ours{m.ram().start + 32 * kMiB};
        const auto size = kho::test_kho::write_blob(ours, 8192, outcome, list);
        REQUIRE(size);
        CHECK(*size == 240);
        CHECK(ram::equal(ours, ram::read<u8>(theirs->phys, *size), *size));
    }
}
