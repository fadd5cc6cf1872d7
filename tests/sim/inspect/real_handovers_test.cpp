// SPDX-License-Identifier: GPL-2.0-only
// What real kernels handed over, held against what the kernels that received it logged.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>

#include "tests/catch.hpp"
#include "tests/support/captures.hpp"

namespace baton::test {
namespace {

namespace fs = std::filesystem;
using sim::HandoverBlock;
using sim::Inspection;

std::string text_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE(in);
    return {std::istreambuf_iterator<char>(in), {}};
}

u64 hex(const std::string& text) { return std::stoull(text, nullptr, 16); }

/// The ranges that K2 reserved while it walked the tracker, in its order.
std::vector<PhysRange> reserved_by_the_kernel(const fs::path& folder) {
    std::vector<PhysRange> out;
    const std::string log = text_of(folder / "k2/dmesg.txt");
    const std::regex line(
        R"(__memblock_reserve: \[0x([0-9a-f]+)-0x([0-9a-f]+)\] nid=-1 flags=0 (kho_memory_init|kho_preserved_memory))");
    for (std::sregex_iterator i(log.begin(), log.end(), line), end; i != end; ++i)
        out.push_back({{hex((*i)[1])}, hex((*i)[2]) - hex((*i)[1]) + 1});
    return out;
}

/// Addresses of the tracker's pages in the order in which an independent walk met them.
std::vector<u64> walked(const fs::path& folder) {
    std::vector<u64> out;
    const std::string text = text_of(folder / "handover_walk.txt");
    const std::regex line(R"(0x([0-9a-f]+) +[0-9]+ (chunk|bitmap|node|leaf)[^ ]*\.bin)");
    for (std::sregex_iterator i(text.begin(), text.end(), line), end; i != end; ++i) out.push_back(hex((*i)[1]));
    return out;
}

std::vector<HandoverBlock> expected(const fs::path& folder) {
    std::vector<HandoverBlock> out;
    const sim::Capture capture = sim::read_capture(folder);
    for (const auto& [phys, order] : capture.expect->preserved) out.push_back({phys, order});
    return out;
}

std::vector<u8> bytes_of(const fs::path& path) {
    const std::string text = text_of(path);
    return {text.begin(), text.end()};
}

}  // namespace

TEST_CASE("inspect: real handovers decode to what the next kernel reserved, in its order") {
    for (const char* name : kCaptureNames) {
        CAPTURE(name);
        const fs::path folder = kCaptureFolder / name;
        const Inspection i = sim::inspect(sim::open_source(folder.string()), {});
        CHECK(i.warnings.empty());
        std::vector<HandoverBlock> sorted = i.handover.blocks;
        std::ranges::sort(sorted);
        CHECK(sorted == expected(folder));
        std::vector<PhysRange> ranges;
        for (const HandoverBlock& b : i.handover.blocks)
            ranges.push_back({b.phys, u64{1} << (b.order.value + i.page_shift)});
        CHECK(ranges == reserved_by_the_kernel(folder));
        std::vector<u64> pieces;
        for (const sim::HandoverPiece& p : i.handover.tracker) pieces.push_back(p.phys.value);
        CHECK(pieces == walked(folder));
    }
}

TEST_CASE("inspect: regions, subtrees and scratch are those that the kernels saw") {
    for (const char* name : kCaptureNames) {
        CAPTURE(name);
        const fs::path folder = kCaptureFolder / name;
        const Inspection i = sim::inspect(sim::open_source(folder.string()), {});
        const std::string log = text_of(folder / "k2/dmesg.txt");
        REQUIRE(i.users.reserve_mem.size() == 2);
        for (const sim::ReservedRegion& r : i.users.reserve_mem)
            CHECK(log.find("Revived memory reservation '" + r.name + "' from KHO") != std::string::npos);
        CHECK(i.users.reserve_mem[0].name == "data");
        CHECK(i.users.reserve_mem[0].size == 2 * kMiB);
        CHECK(i.users.reserve_mem[1].size == 12288);
        // debugfs of the receiving kernel: the trees byte for byte.
        CHECK(i.handover.root_fdt.bytes == bytes_of(folder / "k2/kho_in/fdt"));
        u64 seen = 0;
        for (const auto& file : fs::directory_iterator(folder / "k2/kho_in/sub_fdts")) {
            const std::string subtree = file.path().filename().string();
            const auto found = std::ranges::find(i.handover.subtrees, subtree, &sim::HandoverSubtree::name);
            REQUIRE(found != i.handover.subtrees.end());
            const auto piece = std::ranges::find(i.handover.sub_fdts, found->blob, &sim::HandoverPiece::phys);
            REQUIRE(piece != i.handover.sub_fdts.end());
            CHECK(piece->bytes == bytes_of(file.path()));
            ++seen;
        }
        CHECK(seen == i.handover.subtrees.size());
        std::string starts;
        for (const PhysRange& s : i.handover.scratch)
            starts += "0x" + [&] {
                char text[20];
                std::snprintf(text, sizeof(text), "%llx", static_cast<unsigned long long>(s.start.value));
                return std::string(text);
            }() + "\n";
        CHECK(starts == text_of(folder / "k1/kho_out/scratch_phys"));
    }
}

TEST_CASE("inspect: upstream's test_kho, its vmalloc list and its folios") {
    for (const char* name : {"x86_64-6.18-test_kho", "aarch64-v2-radix"}) {
        CAPTURE(name);
        const Inspection i = sim::inspect(sim::open_source((kCaptureFolder / name).string()), {});
        REQUIRE(i.users.test_kho.has_value());
        const sim::TestKho& t = *i.users.test_kho;
        CHECK(t.magic == 0x4b484f21);
        CHECK(t.folios.size() == t.folios_stated);
        CHECK(t.folios.size() >= 8);
        CHECK(t.area.whole);
        CHECK(t.area.total_pages == 1);
        CHECK(t.area.chunks.size() == 1);
        CHECK(t.checked == sim::TestKho::Checksum::kUnknown);  // the captures leave the contents out
    }
}

TEST_CASE("inspect: a generation that is not stated is inferred") {
    const std::pair<const char*, const char*> generations[] = {{"x86_64-6.16", "6.16"},
                                                               {"aarch64-6.16", "6.16"},
                                                               {"x86_64-6.18-test_kho", "6.18"},
                                                               {"aarch64-v2-radix", "7.1-kho-v2"}};
    for (const auto& [name, generation] : generations) {
        CAPTURE(name);
        LooseCapture capture(kCaptureFolder / name);
        const Inspection stated = capture.inspect();
        CHECK(stated.generation_reason == "stated");
        capture.source.generation.clear();
        const Inspection inferred = capture.inspect();
        CHECK(inferred.generation == generation);
        CHECK(inferred.generation_reason != "stated");
        CHECK(inferred.warnings.empty());
        CHECK(inferred.handover.blocks == stated.handover.blocks);
    }
}

TEST_CASE("inspect: the other bitmap size is obeyed when asked for, and doubted") {
    LooseCapture capture(kCaptureFolder / "x86_64-6.18-test_kho");
    const Inspection i = capture.inspect({.generation = "6.16"});
    CHECK(i.generation == "6.16");
    CHECK(i.handover.blocks.size() == 16);  // 18, less what lies behind the first 4096 bits
    CHECK(std::ranges::any_of(i.warnings,
                              [](const sim::Warning& w) { return w.id == sim::WarningId::kBitmapSizeMismatch; }));
    CHECK(i.has_errors());
}

}  // namespace baton::test
