// SPDX-License-Identifier: GPL-2.0-only
// Handovers at other addresses, orders, page sizes and generations than any capture has.
#include <algorithm>

#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/support/made_handover.hpp"

namespace baton::test {
namespace {

using sim::HandoverBlock;
using sim::Inspection;

struct Kind {
    const char* compatible;
    u32 page_shift;
    u64 bitmap_bytes;
    const char* generation;
};
constexpr Kind kKinds[] = {
    {"kho-v1", 12, 512, "6.16"},     {"kho-v1", 12, 4096, "6.18"},    {"kho-v1", 14, 16384, "6.18"},
    {"kho-v1", 16, 65536, "6.18"},   {"kho-v2", 12, 0, "7.1-kho-v2"}, {"kho-v2", 14, 0, "7.1-kho-v2"},
    {"kho-v2", 16, 0, "7.1-kho-v2"}, {"kho-v3", 12, 0, "7.1"},        {"kho-v3", 14, 0, "7.1"},
    {"kho-v4", 16, 0, "7.2"},        {"kho-v1", 14, 512, "6.16"},
};

/// Metadata and scratch first, blocks of random orders behind them.
MadeSpec random_spec(const Kind& kind, sim::Random& random, u64 count) {
    MadeSpec s;
    s.compatible = kind.compatible;
    s.page_shift = kind.page_shift;
    s.bitmap_bytes = kind.bitmap_bytes;
    s.edited_root = random.bounded(2) == 0;
    const u64 page = u64{1} << s.page_shift;
    const u64 base = random.bounded(3) * (u64{1} << (30 + random.bounded(12)));
    s.scratch_array = {base + 64 * kMiB};
    for (u64 i = 0; i < 2 + random.bounded(9); ++i)
        s.scratch.push_back({{base + 64 * kMiB + i * 32 * kMiB}, (1 + random.bounded(15)) * 2 * kMiB});
    s.metadata = {base + 512 * kMiB};
    u64 at = base + 4 * kGiB;
    for (u64 i = 0; i < count; ++i) {
        const u32 order = static_cast<u32>(count > 1000 ? random.bounded(4) : random.bounded(19));
        const u64 bytes = page << order;
        at = (at + bytes - 1) / bytes * bytes;
        if (random.bounded(3) != 0) at += bytes * random.bounded(40);
        s.blocks.push_back({{at}, {order}});
        if (s.regions.size() < 8 && random.bounded(10) == 0)
            s.regions.push_back({"region" + std::to_string(i), {at}, bytes});
        at += bytes;
    }
    return s;
}

std::vector<HandoverBlock> sorted(std::vector<HandoverBlock> blocks) {
    std::ranges::sort(blocks);
    return blocks;
}

std::string words(const std::vector<sim::Warning>& warnings) {
    std::string out;
    for (const sim::Warning& w : warnings) out += std::string(sim::info(w.id).name) + ": " + w.text + "\n";
    return out;
}

std::string errors(const Inspection& i) {
    std::vector<sim::Warning> only;
    for (const sim::Warning& w : i.warnings)
        if (sim::info(w.id).severity == sim::Severity::kError) only.push_back(w);
    return words(only);
}

void require_decoded(const MadeSpec& spec, const char* generation) {
    MadeHandover made(spec);
    sim::Source source = made.source(true);
    source.generation = generation;
    const Inspection stated = sim::inspect(source, {});
    CHECK(errors(stated) == "");
    CHECK(sorted(stated.handover.blocks) == made.blocks());
    CHECK(stated.handover.scratch == spec.scratch);
    CHECK(stated.users.reserve_mem == spec.regions);
    source.generation.clear();
    const Inspection inferred = sim::inspect(source, {});
    CHECK(errors(inferred) == "");
    CHECK(inferred.handover.blocks == stated.handover.blocks);
    CHECK(inferred.handover.format->compatible == spec.compatible);
}

}  // namespace

TEST_CASE("made handovers: every format, page size and order decodes, stated or inferred") {
    sim::Random random(1, 0);
    for (u32 round = 0; round < 12; ++round)
        for (const Kind& kind : kKinds) {
            CAPTURE(round);
            CAPTURE(kind.generation);
            CAPTURE(kind.page_shift);
            require_decoded(random_spec(kind, random, 1 + random.bounded(120)), kind.generation);
        }
}

TEST_CASE("made handovers: tens of thousands of blocks in hundreds of bitmaps") {
    sim::Random random(2, 0);
    for (const Kind& kind : {kKinds[0], kKinds[1], kKinds[4]}) {
        CAPTURE(kind.generation);
        const MadeSpec spec = random_spec(kind, random, 30000);
        require_decoded(spec, kind.generation);
    }
}

TEST_CASE("made handovers: exactly full chunks") {
    for (u64 bitmaps : {254, 255, 256, 510, 511}) {
        CAPTURE(bitmaps);
        MadeSpec s;
        s.metadata = {0x100000};
        s.scratch = {{{0x40000000}, 32 * kMiB}, {{0x50000000}, 32 * kMiB}};
        s.scratch_array = {0x40000000};
        // One block of order 1 a bitmap; windows of order 1 are 256 MiB apart.
        for (u64 i = 0; i < bitmaps; ++i) s.blocks.push_back({{8 * kGiB + i * 256 * kMiB}, {1}});
        require_decoded(s, "6.18");
    }
}

TEST_CASE("made handovers: metadata of kexec, and a root FDT that was edited in place") {
    sim::Random random(3, 0);
    MadeSpec spec = random_spec(kKinds[7], random, 20);
    spec.edited_root = true;
    const MadeHandover made(spec);
    const Inspection i = sim::inspect(made.source(true), {});
    REQUIRE(i.users.metadata.has_value());
    CHECK(i.users.metadata->previous_release == "7.1.0-made");
    CHECK(i.users.metadata->kexec_count == 3);
    CHECK(i.generation == "7.1");
    spec.compatible = "kho-v1";
    spec.bitmap_bytes = 4096;
    const Inspection v1 = sim::inspect(MadeHandover(spec).source(true), {});
    CHECK(v1.generation == "7.0");
}

TEST_CASE("made handovers: found without a word about where they are") {
    sim::Random random(4, 0);
    for (const Kind& kind : {kKinds[0], kKinds[1], kKinds[4], kKinds[7]}) {
        CAPTURE(kind.generation);
        MadeHandover made(random_spec(kind, random, 50));
        const Inspection by_magic = sim::inspect(made.source(false), {});
        CHECK(sorted(by_magic.handover.blocks) == made.blocks());
        CHECK(by_magic.handover.scratch.empty());
        CHECK(by_magic.found.starts_with("magic at "));
        // With a setup_data node anywhere the scratch areas are known, too.
        const sim::BootHandover boot = made.boot();
        const PhysAddr node{made.root().value + 0x100000 + 0x350};
        made.write_u64(node, 0xdeadbeef);  // a list that leads nowhere by now
        made.write_u64(node + 8, u64{32} << 32 | 10);
        made.write_u64(node + 16, boot.fdt.value);
        made.write_u64(node + 24, boot.fdt_size);
        made.write_u64(node + 32, boot.scratch.value);
        made.write_u64(node + 40, boot.scratch_bytes);
        const Inspection by_node = sim::inspect(made.source(false), {});
        CHECK(by_node.found.starts_with("setup_data node at "));
        CHECK(by_node.handover.scratch.size() == boot.scratch_bytes / 16);
        CHECK(by_node.handover.blocks == by_magic.handover.blocks);
        // A second root that preserves nothing does not come first, and is mentioned.
        MadeSpec other;
        other.metadata = {made.root().value + 0x8000000};
        MadeHandover second(other);
        for (const auto& [frame, bytes] : second.frames)
            if (!made.frames.contains(frame)) made.frames[frame] = bytes;
        const Inspection both = sim::inspect(made.source(false), {});
        CHECK(both.handover.blocks == by_magic.handover.blocks);
        CHECK(words(both.warnings).find("several-handovers") != std::string::npos);
    }
}

}  // namespace baton::test
