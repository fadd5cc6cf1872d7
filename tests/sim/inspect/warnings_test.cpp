// SPDX-License-Identifier: GPL-2.0-only
// One damage, one name: each warning for what it is there for.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>

#include "sim/inspect/report.hpp"
#include "tests/catch.hpp"
#include "tests/support/captures.hpp"
#include "tests/support/made_handover.hpp"

namespace baton::test {
namespace {

using sim::WarningId;

// The pages of this handover, in the order in which they are made.
constexpr PhysAddr kRoot{0x100000};
constexpr PhysAddr kBlob{0x101000};
constexpr PhysAddr kChunk{0x102000};
constexpr PhysAddr kBitmap{0x103000};
constexpr PhysAddr kLowChunk{0x102000};
constexpr PhysAddr kFree{0x900000};  // nothing is there

MadeSpec spec(const char* compatible = "kho-v1") {
    MadeSpec s;
    s.compatible = compatible;
    s.metadata = kRoot;
    s.scratch = {{{0x40000000}, 32 * kMiB}, {{0x50000000}, 32 * kMiB}};
    s.scratch_array = {0x40000000};
    s.blocks = {{{0x400000}, {9}}, {{0x600000}, {0}}, {{0x601000}, {0}}};
    s.regions = {{"data", {0x400000}, 2 * kMiB}};
    return s;
}

std::vector<WarningId> ids(const sim::Inspection& i) {
    std::vector<WarningId> out;
    for (const sim::Warning& w : i.warnings) out.push_back(w.id);
    return out;
}

bool has(const sim::Inspection& i, WarningId id) { return std::ranges::count(ids(i), id) != 0; }

std::string names(const sim::Inspection& i) {
    std::string out;
    for (const sim::Warning& w : i.warnings) out += std::string(sim::info(w.id).name) + " ";
    return out;
}

/// Replaces the first `from` in a page.
void replace(MadeHandover& m, PhysAddr page, u64 from, u64 to) {
    std::vector<u8>& frame = m.frames.at(page.value / 4096);
    const auto* bytes = reinterpret_cast<const u8*>(&from);
    const auto at = std::search(frame.begin(), frame.end(), bytes, bytes + 8);
    REQUIRE(at != frame.end());
    std::memcpy(&*at, &to, 8);
}

void replace(MadeHandover& m, PhysAddr page, std::string_view from, std::string_view to) {
    std::vector<u8>& frame = m.frames.at(page.value / 4096);
    const auto at = std::search(frame.begin(), frame.end(), from.begin(), from.end());
    REQUIRE(at != frame.end());
    std::copy(to.begin(), to.end(), at);
}

struct Damage {
    WarningId id;
    std::function<void(MadeHandover&)> make;
};

void require_each(const char* compatible, const std::vector<Damage>& damages) {
    const sim::Inspection whole = sim::inspect(MadeHandover(spec(compatible)).source(true), {});
    CAPTURE(names(whole));
    REQUIRE(whole.warnings.empty());
    for (const Damage& d : damages) {
        MadeHandover m(spec(compatible));
        d.make(m);
        const sim::Inspection i = sim::inspect(m.source(true), {});
        CAPTURE(sim::info(d.id).name);
        CAPTURE(names(i));
        CHECK(has(i, d.id));
        CHECK(i.has_errors() == std::ranges::any_of(i.warnings, [](const sim::Warning& w) {
                  return sim::info(w.id).severity == sim::Severity::kError;
              }));
    }
}

}  // namespace

TEST_CASE("warnings: chunk lists and bitmaps") {
    require_each(
        "kho-v1",
        {{WarningId::kChunkLoop, [](auto& m) { m.write_u64(kChunk, kChunk.value); }},
         {WarningId::kChunkAbsent, [](auto& m) { m.write_u64(kChunk, 0x900000); }},
         {WarningId::kChunkUnaligned, [](auto& m) { m.write_u64(kChunk, kBitmap.value + 8); }},
         {WarningId::kChunkCount, [](auto& m) { m.write_u64(kChunk + 8, u64{256} << 32); }},
         {WarningId::kChunkEmpty, [](auto& m) { m.write_u64(kChunk + 8, 0); }},
         {WarningId::kChunkOrder, [](auto& m) { m.write_u64(kChunk + 8, u64{1} << 32 | 41); }},
         {WarningId::kChunkUnordered, [](auto& m) { m.write_u64(kChunk + 8, u64{1} << 32 | 10); }},
         {WarningId::kChunkJunk, [](auto& m) { m.write_u64(kChunk + 0xff0, 1); }},
         {WarningId::kBitmapAbsent, [](auto& m) { m.write_u64(kChunk + 24, 0); }},
         {WarningId::kBitmapUnaligned, [](auto& m) { m.write_u64(kChunk + 24, kBitmap.value - 512); }},
         {WarningId::kBitmapWindow, [](auto& m) { m.write_u64(kChunk + 16, 0x1000); }},
         {WarningId::kBitmapShared,
          [](auto& m) {
              m.write_u64(kChunk + 8, u64{2} << 32);
              m.write_u64(kChunk + 32, 128 * kMiB);
              m.write_u64(kChunk + 40, kBitmap.value);
          }},
         {WarningId::kBitmapEmpty, [](auto& m) { m.write(kBitmap, std::vector<u8>(4096)); }},
         {WarningId::kBlockAddress, [](auto& m) { m.write_u64(kChunk + 16, u64{1} << 52); }},
         {WarningId::kBlockDuplicate,
          [](auto& m) {
              m.write(kFree, std::vector<u8>(m.frames.at(kBitmap.value / 4096)));
              m.write_u64(kChunk + 8, u64{2} << 32);
              m.write_u64(kChunk + 32, 0);
              m.write_u64(kChunk + 40, kFree.value);
          }},
         {WarningId::kBlockOverlap, [](auto& m) { m.write(kBitmap + 0x400 / 8, std::vector<u8>{1}); }},
         {WarningId::kBlockInScratch, [](auto& m) { m.write_u64(kChunk + 16, 0x40000000); }},
         {WarningId::kMetadataOverlap, [](auto& m) { m.write_u64(kChunk + 24, kRoot.value); }},
         {WarningId::kMetadataPreserved, [](auto& m) { m.write(kBitmap + 0x100 / 8, std::vector<u8>{0xff}); }},
         {WarningId::kRootNotPreserved, [](auto& m) { m.write(kBitmap + 0x100 / 8, std::vector<u8>{0xfe}); }},
         {WarningId::kSubtreeNotPreserved, [](auto& m) { m.write(kBitmap + 0x100 / 8, std::vector<u8>{0x01}); }},
         {WarningId::kReserveMemNotPreserved, [](auto& m) { m.write_u64(kChunk, 0); }}});
}

TEST_CASE("warnings: the root FDT and its subtrees") {
    require_each(
        "kho-v1",
        {{WarningId::kMapEmpty, [](auto& m) { replace(m, kRoot, kLowChunk.value, 0); }},
         {WarningId::kMapMissing, [](auto& m) { replace(m, kRoot, "preserved-memory-map", "preserved-memory-mop"); }},
         {WarningId::kFdtUnknown, [](auto& m) { replace(m, kRoot, "preserved-memory-map", "preserved-memory-mop"); }},
         {WarningId::kMapSize,
          [](auto& m) {
              m.write(kRoot + 0x63, std::vector<u8>{4});
              m.write(kRoot + 0x6c, std::vector<u8>{0, 0, 0, 4});  // a token that means nothing
          }},
         {WarningId::kRootCompatible, [](auto& m) { replace(m, kRoot, "kho-v1", "kho-v9"); }},
         {WarningId::kSubtreeAddress, [](auto& m) { replace(m, kRoot, std::string_view("fdt\0", 4), "fdx"); }},
         {WarningId::kSubtreeAbsent, [](auto& m) { replace(m, kRoot, kBlob.value, 0x900000); }},
         {WarningId::kSubtreeUnaligned, [](auto& m) { replace(m, kRoot, kBlob.value, kBlob.value + 8); }},
         {WarningId::kFdtVersion, [](auto& m) { m.write(kRoot + 0x1f, std::vector<u8>{1}); }},
         {WarningId::kFdtPadding, [](auto& m) { m.write(kRoot + 0x2f, std::vector<u8>{1}); }},
         {WarningId::kFdtReserveMap, [](auto& m) { m.write(kRoot + 0x30, std::vector<u8>{1}); }},
         {WarningId::kFdtSlack, [](auto& m) { m.write(kRoot + 6, std::vector<u8>{0x0f}); }},
         {WarningId::kFdtBroken, [](auto& m) { m.write(kRoot + 0x43, std::vector<u8>{7}); }},
         {WarningId::kFdtBroken, [](auto& m) { m.write(kBlob + 0x43, std::vector<u8>{7}); }},
         {WarningId::kReserveMemBroken, [](auto& m) { m.write(kBlob, std::vector<u8>{0}); }},
         {WarningId::kReserveMemBroken, [](auto& m) { replace(m, kBlob, "memblock-v1", "memblock-v2"); }},
         {WarningId::kReserveMemUnaligned, [](auto& m) { replace(m, kBlob, 2 * kMiB, 2 * kMiB - 1); }},
         {WarningId::kScratchEmpty, [](auto& m) { m.write_u64({0x40000018}, 0); }},
         {WarningId::kScratchOverlap, [](auto& m) { m.write_u64({0x40000010}, 0x41000000); }},
         {WarningId::kScratchUnaligned, [](auto& m) { m.write_u64({0x40000018}, 4097); }},
         {WarningId::kScratchOutsideRam, [](auto& m) { m.write_u64({0x40000018}, u64{1} << 53); }},
         {WarningId::kScratchArrayOutside, [](auto& m) { m.write_u64({0x40000000}, 0x60000000); }},
         {WarningId::kMetadataInScratch, [](auto& m) { m.write_u64({0x40000010}, 0x100000 - 0x1000); }}});
}

TEST_CASE("warnings: the radix tree, stated sizes and kexec-metadata") {
    // root, memblock, kexec-metadata, then the tree's top
    constexpr PhysAddr kTop{0x103000};
    const auto child = [](MadeHandover& m, PhysAddr table) {
        for (u64 i = 0; i < 512; ++i)
            if (m.read_u64(table + i * 8) != 0) return table + i * 8;
        FAIL("an empty table");
        return table;
    };
    const auto leaf = [&](MadeHandover& m) {
        PhysAddr at = kTop;
        for (u32 level = 5; level > 0; --level) at = {m.read_u64(child(m, at))};
        return at;
    };
    require_each("kho-v3",
                 {{WarningId::kNodeAbsent, [&](auto& m) { m.write_u64(child(m, kTop), 0x900000); }},
                  {WarningId::kNodeUnaligned, [&](auto& m) { m.write_u64(child(m, kTop), kTop.value + 8); }},
                  {WarningId::kNodeShared, [&](auto& m) { m.write_u64(child(m, kTop), kTop.value); }},
                  {WarningId::kNodeShared, [&](auto& m) { m.write_u64(kTop + 8 * 100, m.read_u64(child(m, kTop))); }},
                  {WarningId::kNodeEmpty, [&](auto& m) { m.write(leaf(m), std::vector<u8>(4096)); }},
                  {WarningId::kKeyBroken,
                   [&](auto& m) {
                       const PhysAddr was = child(m, kTop);
                       m.write_u64(kTop + 8 * 511, m.read_u64(was));
                       m.write_u64(was, 0);
                   }},
                  {WarningId::kSubtreeSize, [&](auto& m) { replace(m, kRoot, 73, u64{1} << 40); }},
                  {WarningId::kMetadataBlobBroken, [&](auto& m) { replace(m, kRoot, 73, 72); }},
                  {WarningId::kMetadataBlobBroken, [&](auto& m) { m.write({0x102000}, std::vector<u8>{2}); }},
                  {WarningId::kMetadataBlobBroken, [&](auto& m) { m.write({0x102000 + 40}, std::vector<u8>{'x'}); }}});
}

TEST_CASE("warnings: what only the source knows") {
    MadeHandover made(spec());
    sim::Source source = made.source(true);
    source.ram = {{{0}, 0x500000}, {{0x40000000}, 512 * kMiB}};
    CHECK(has(sim::inspect(source, {}), WarningId::kBlockOutsideRam));
    source.ram = {{{0x400000}, 0x400000}, {{0x40000000}, 512 * kMiB}};
    CHECK(has(sim::inspect(source, {}), WarningId::kMetadataOutsideRam));
    source = made.source(true);
    source.generation = "7.1";
    CHECK(has(sim::inspect(source, {}), WarningId::kGenerationMismatch));
    source.generation = "5.4";
    CHECK(has(sim::inspect(source, {}), WarningId::kGenerationUnknown));
    source = made.source(true);
    source.stated.scratch_bytes = 31;
    CHECK(has(sim::inspect(source, {}), WarningId::kScratchRagged));
    source.stated.scratch_bytes = 0;
    CHECK(has(sim::inspect(source, {}), WarningId::kScratchCount));
    source.stated.scratch = {0x900000};
    source.stated.scratch_bytes = 32;
    CHECK(has(sim::inspect(source, {}), WarningId::kScratchAbsent));
    source.stated.fdt = {0x900000};
    CHECK(has(sim::inspect(source, {}), WarningId::kFdtAbsent));
    source = made.source(true);
    source.stated.fdt_size = 8192;
    CHECK(has(sim::inspect(source, {}), WarningId::kBootFdtSize));
    source = made.source(true);
    source.expect = sim::CaptureExpectation{{{{0x1000}, {0}}}, {}};
    const sim::Inspection i = sim::inspect(source, {});
    CHECK(has(i, WarningId::kExpectDiffers));
    CHECK_FALSE(i.has_errors());
    MadeSpec huge = spec();
    huge.blocks.push_back({{u64{1} << 40}, {19}});
    const sim::Inspection big = sim::inspect(MadeHandover(huge).source(true), {});
    CHECK(has(big, WarningId::kBlockIntShift));
    CHECK_FALSE(big.has_errors());
}

TEST_CASE("warnings: test_kho and its vmalloc list") {
    const auto with = [](const char* file, u64 offset, u64 value) {
        LooseCapture c(kCaptureFolder / "x86_64-6.18-test_kho");
        for (const auto& s : c.segments)
            if (s->file.starts_with(file)) std::memcpy(s->bytes.data() + offset, &value, 8);
        return c.inspect();
    };
    CHECK(has(with("vmalloc_data", 0, 0x21e001), WarningId::kTestKhoFolio));
    CHECK(has(with("vmalloc_data", 0xff8, 1), WarningId::kTestKhoJunk));
    CHECK(has(with("vmalloc_chunk", 0, 0x21d000), WarningId::kVmallocLoop));
    CHECK(has(with("vmalloc_chunk", 0, 0x999000), WarningId::kVmallocAbsent));
    CHECK(has(with("vmalloc_chunk", 8, 0x999000), WarningId::kVmallocNotPreserved));
    CHECK(has(with("vmalloc_chunk", 16, 0x220000), WarningId::kVmallocTotal));
    CHECK(has(with("vmalloc_chunk", 24, 0x220000), WarningId::kVmallocJunk));
    CHECK(has(with("subfdt_kho_test", 0xa0, 0x0000000500000001), WarningId::kVmallocFlags));
    CHECK(has(with("subfdt_kho_test", 0xa0, 0x0040000100000001), WarningId::kVmallocOrder));
    CHECK(has(with("subfdt_kho_test", 0x6c, 0x100000000), WarningId::kTestKhoBroken));
    CHECK(has(with("setup_data", 8, u64{32} << 32 | 9), WarningId::kBootRecordMissing));
    CHECK(has(with("setup_data", 8, u64{33} << 32 | 10), WarningId::kBootRecordSize));
    CHECK(has(with("setup_data", 0, 0x999000), WarningId::kBootListBroken));
    CHECK(has(with("setup_data", 16, 0x4c8000), WarningId::kBootRecordMismatch));
}

TEST_CASE("warnings: a million of a kind are counted, not listed") {
    sim::WarningSink sink;
    for (u32 i = 0; i < 1000; ++i) sink.add(WarningId::kBlockOverlap, {i}, "x");
    const std::vector<sim::Warning> kept = sink.take();
    REQUIRE(kept.size() == sim::WarningSink::kKeptPerId + 1);
    CHECK(kept.back().text == "and 968 more");
}

TEST_CASE("warnings: the page about them lists each with its severity, and no other") {
    std::ifstream in(BATON_SOURCE_DIR "/docs/inspect.md");
    const std::string page{std::istreambuf_iterator<char>(in), {}};
    u64 rows = 0;
    for (const sim::WarningInfo& w : sim::kWarnings) {
        const std::string row = "| `" + std::string(w.name) + "` | " +
                                (w.severity == sim::Severity::kError ? "error" : "note") + " | " +
                                std::string(w.meaning) + " |\n";
        CAPTURE(row);
        CHECK(page.find(row) != std::string::npos);
        ++rows;
    }
    u64 listed = 0;
    for (u64 at = page.find("\n| `"); at != std::string::npos; at = page.find("\n| `", at + 1)) ++listed;
    CHECK(listed == rows);
}

TEST_CASE("warnings: a chunk whose entries all name one bitmap tells its blocks once") {
    MadeHandover m(spec());
    const u64 whole = sim::inspect(m.source(true), {}).handover.blocks.size();
    m.write_u64(kChunk + 8, u64{255} << 32);
    for (u64 i = 1; i < 255; ++i) {
        m.write_u64(kChunk + 16 + 16 * i, i * 128 * kMiB);
        m.write_u64(kChunk + 24 + 16 * i, kBitmap.value);
    }
    const sim::Inspection i = sim::inspect(m.source(true), {});
    CHECK(has(i, WarningId::kBitmapShared));
    CHECK(i.handover.blocks.size() <= whole);
}

TEST_CASE("warnings: more blocks than anybody lists are too many, and the first are told") {
    MadeHandover m(spec());
    const u64 bitmaps = sim::kBlocksMax / (8 * kFrameSize) + 1;
    REQUIRE(bitmaps < 255);
    m.write_u64(kChunk + 8, bitmaps << 32);
    for (u64 i = 0; i < bitmaps; ++i) {
        const PhysAddr bitmap = kFree + i * kFrameSize;
        m.write(bitmap, std::vector<u8>(kFrameSize, 0xff));
        m.write_u64(kChunk + 16 + 16 * i, (i + 64) * 128 * kMiB);
        m.write_u64(kChunk + 24 + 16 * i, bitmap.value);
    }
    const sim::Inspection i = sim::inspect(m.source(true), {});
    CHECK(has(i, WarningId::kBlocksTooMany));
    CHECK(i.handover.blocks.size() == sim::kBlocksMax);
}

TEST_CASE("warnings: under kho-v1 a blob that is no tree is named, whosever it is") {
    MadeHandover m(spec());
    replace(m, kRoot, "memblock", "memblocc");
    const sim::Inspection whole = sim::inspect(m.source(true), {});
    CHECK_FALSE(has(whole, WarningId::kFdtBroken));
    replace(m, kBlob, "memblock-v1", "memblocc-v1");  // what nobody knows cannot be judged, but it is not the same
    const sim::Inspection other = sim::inspect(m.source(true), {});
    CHECK(names(other) == names(whole));
    CHECK(sim::inspection_json(other) != sim::inspection_json(whole));
    m.write(kBlob, std::vector<u8>{0});
    CHECK(has(sim::inspect(m.source(true), {}), WarningId::kFdtBroken));
}

TEST_CASE("warnings: a root FDT that is given finds its record, and what is given is held against it") {
    MadeHandover m(spec());
    const sim::BootHandover boot = m.boot();
    const u64 node[] = {0, u64{32} << 32 | 10, boot.fdt.value, 4096, boot.scratch.value, boot.scratch_bytes};
    for (u64 i = 0; i < std::size(node); ++i) m.write_u64(kFree + 8 * i, node[i]);
    const sim::Inspection alone = sim::inspect(m.source(false), {.fdt = kRoot});
    CHECK(alone.handover.scratch.size() == 2);
    CHECK(alone.boot.scratch == boot.scratch);
    CHECK_FALSE(has(alone, WarningId::kScratchUnknown));
    const PhysRange right{boot.scratch, boot.scratch_bytes};
    const PhysRange wrong{boot.scratch, 16};
    CHECK_FALSE(has(sim::inspect(m.source(false), {.fdt = kRoot, .scratch = right}), WarningId::kBootRecordMismatch));
    const sim::Inspection other = sim::inspect(m.source(false), {.fdt = kRoot, .scratch = wrong});
    CHECK(has(other, WarningId::kBootRecordMismatch));
    CHECK(other.handover.scratch.size() == 1);
}

TEST_CASE("warnings: how much RAM an x86-64 machine has does not say where, beyond 2 GiB") {
    sim::Capture c;
    c.isa = Isa::kX86_64;
    c.ram_bytes = 2 * kGiB;
    CHECK(c.ram() == std::vector<PhysRange>{{{0}, 2 * kGiB}});
    c.ram_bytes = 4 * kGiB;
    CHECK(c.ram().empty());
    c.isa = Isa::kAArch64;
    c.ram_base = {kGiB};
    CHECK(c.ram() == std::vector<PhysRange>{{{kGiB}, 4 * kGiB}});
}

}  // namespace baton::test
