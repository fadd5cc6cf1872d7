// SPDX-License-Identifier: GPL-2.0-only
// Random handovers, written by kernels of ours, exported, moved, and read again: equal. A sample boots.
//
// BATON_ROUND_TRIPS=10000 makes a longer run of it; BATON_ROUND_TRIP=17 only the 17th.
//
// Shards: 4
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "sim/capture/capture.hpp"
#include "sim/capture/export.hpp"
#include "sim/handover/audit.hpp"
#include "sim/machine.hpp"
#include "sim/map_file/map_file.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/support/shard.hpp"

using namespace baton;
using namespace baton::sim;
using baton::test::Shard;
namespace fs = std::filesystem;

namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr u64 kHandovers = 100;  // takes as long as 1000 without
#else
constexpr u64 kHandovers = 1000;
#endif
constexpr u64 kManyBlocks = 10'000;
constexpr u64 kManyEvery = 99;  // every so many handovers one has kManyBlocks
constexpr u64 kBootEvery = 49;
constexpr u64 kNodesMax = 8;
constexpr u64 kSectionBytes = 128 * kMiB;

/// Draws; every handover has its own.
class Dice {
public:
    explicit Dice(u64 seed) : random_(seed, 77) {}
    u64 below(u64 n) { return random_.next() % n; }
    u64 between(u64 low, u64 high) { return low + below(high - low + 1); }
    bool one_in(u64 n) { return below(n) == 0; }

private:
    Random random_;
};

/// RAM in a few runs with holes that need not be those of pages; half of AArch64's have a node a run.
MachineMap random_map(Dice& dice, Isa isa, bool large) {
    FirmwareMap map{.name = "random", .isa = isa, .entries = {}, .reserved = {}, .device_tree = {}};
    constexpr u32 kRam = static_cast<u32>(MemoryType::kRam);
    const bool x86 = isa == Isa::kX86_64;
    u64 at = x86 ? kMiB : dice.between(1, 64) * 256 * kMiB;
    if (x86) map.entries.push_back({{0}, 0x9fc00, kRam, 0});
    const u64 runs = dice.between(1, kNodesMax);
    const bool numa = !x86 && dice.one_in(2);
    for (u64 i = 0; i < runs; ++i) {
        const u64 ragged = dice.one_in(4) ? 4 * dice.below(1024) : 0;
        const u64 size = (large && i == 0 ? 3 * kGiB : dice.between(96, 400) * kMiB) - ragged;
        map.entries.push_back({{at}, size, kRam, numa ? static_cast<u32>(i) : 0});
        if (numa) map.nodes = static_cast<u32>(i) + 1;
        at = align_up(at + size, kMiB) + dice.between(1, 100) * kMiB;  // what touches is one range to a reader
    }
    return {isa, std::move(map)};
}

/// How many sections of 128 MiB hold some of a map's RAM.
u64 sections(const MachineMap& map) {
    std::set<u64> all;
    for (const PhysRange& r : map.ram)
        for (u64 at = r.start.value / kSectionBytes; at <= (r.end() - 1).value / kSectionBytes; ++at) all.insert(at);
    return all.size();
}

const ImageFile& image(GeometryId geometry) {
    static std::map<GeometryId, ImageFile> images;
    if (const auto found = images.find(geometry); found != images.end()) return found->second;
    const auto path = fs::path(BATON_IMAGES) / geometry_of(geometry).name / "baton.img";
    return images.emplace(geometry, ImageFile::load(path)).first->second;
}

/// A machine whose kernel hands over, up to the first line of the next kernel.
class Sender {
public:
    Sender(u64 number, bool many) : dice(number) {
        const bool x86 = dice.one_in(2);
        const GeometryId geometry = x86 ? GeometryId::kX86_64 : GeometryId::kAArch64_4K;
        generation = kGenerations[dice.below(std::size(kGenerations))].id;
        const bool huge = dice.one_in(8);  // regions of a GiB, orders up to 18
        const MachineMap map = random_map(dice, x86 ? Isa::kX86_64 : Isa::kAArch64, many || huge);
        kernel = image(geometry);
        kernel.configure({.generation = generation, .options = kOptionScratchFloor, .defects = {}});
        // The next kernel's memory map comes out of scratch, 2 MiB a section of 128 MiB (decision D12): the global
        // area holds that of all of this machine.
        const u64 global = many || huge ? 2 * dice.between(48, 64) : 2 * (dice.between(1, 8) + sections(map));
        line = fmt::format("kho=on kho_scratch={}M,{}M,{}M", 8 * dice.between(2, 4), global, 2 * dice.between(1, 6));
        for (u64 i = 0, n = dice.below(4); i < n; ++i)
            line += fmt::format(" reserve_mem={}K:{}K:r{}", dice.between(1, 3000) * 4, 4 << dice.below(12), i);
        if (huge) line += " reserve_mem=1G:1G:huge";
        machine = std::make_unique<Machine>(MachineConfig{.geometry = geometry, .map = map, .seed = number});
        machine->begin_step();
        REQUIRE(machine->boot(kernel, line, {}).kind == Outcome::Kind::kBooted);
        REQUIRE(machine->kernel()->kho.enabled != 0);
        preserve(many ? kManyBlocks : dice.between(0, 190));
        hand_over();
    }

    Dice dice;
    Generation generation = Generation::k6_18;
    ImageFile kernel = image(GeometryId::kX86_64);
    std::string line;
    std::unique_ptr<Machine> machine;

private:
    static constexpr u64 kSubtreesMax = 8;  // the root FDT is one page
    u64 subtrees_ = 0;

    std::optional<Reply> command(Op op, std::initializer_list<u64> args = {}, std::string_view text = {}) {
        machine->begin_step();
        const Outcome out = machine->command(op, args, text);
        REQUIRE(out.kind == Outcome::Kind::kReply);
        if (out.reply.error != 0) return std::nullopt;
        return out.reply;
    }
    void preserve(u64 blocks) {
        const u64 order_max = blocks == kManyBlocks ? 2 : 10;
        for (u64 i = 0; i < blocks; ++i) {
            const bool folio = !dice.one_in(3);
            const u64 n = folio ? dice.below(order_max + 1) : dice.between(1, u64{1} << order_max);
            const auto got = command(Op::kAlloc, {static_cast<u64>(folio ? AllocKind::kFolio : AllocKind::kPages), n});
            if (!got) return;  // full
            const PhysAddr at{got->values[0]};
            if (dice.one_in(5)) continue;  // memory that is not handed over lies between
            if (dice.one_in(3)) {
                const u64 bytes[3] = {at.value, i, ~at.value};
                machine->host_write(at + 8 * dice.below(500), {reinterpret_cast<const u8*>(bytes), sizeof(bytes)});
            }
            REQUIRE((folio ? command(Op::kPreserveFolio, {at.value}) : command(Op::kPreservePages, {at.value, n})));
            if (dice.one_in(10))
                REQUIRE(
                    (folio ? command(Op::kUnpreserveFolio, {at.value}) : command(Op::kUnpreservePages, {at.value, n})));
            else if (subtrees_ < kSubtreesMax && dice.one_in(20) && ++subtrees_ != 0)
                command(Op::kAddSubtree, {at.value, kFrameSize}, fmt::format("user-{}", i));
        }
    }
    void hand_over() {
        command(Op::kFinalise);  // generations without it say so
        const auto file = command(Op::kFileCreate, {kernel.bytes().size()});
        REQUIRE(file);
        const u64 page = kFrameSize;
        for (u64 offset = 0, i = 0; offset < kernel.bytes().size(); offset += page, ++i) {
            REQUIRE(i < page / 8 - 1);
            const auto data = machine->memory().load<u64>({file->values[0] + 8 * i});
            machine->host_write({*data},
                                kernel.bytes().subspan(offset, std::min(page, kernel.bytes().size() - offset)));
        }
        REQUIRE(command(Op::kKexecFileLoad, {file->values[1], kexec::kNoFile}, line));
        machine->begin_step();
        machine->set_break({Site::kKernelEntry, 1});
        REQUIRE(machine->command(Op::kExec).kind == Outcome::Kind::kBreak);
        REQUIRE(machine->handover());
    }
};

/// The memory of a capture: its segments, nothing else. Files are read where they are asked for: most of them are
/// holes.
class StoredMemory {
public:
    explicit StoredMemory(const Capture& capture) : segments_(capture.segments) {
        std::ranges::sort(segments_, {}, [](const CaptureSegment& s) { return s.range.start; });
        for (const CaptureSegment& s : segments_) REQUIRE(fs::file_size(s.path) == s.range.size);
    }
    bool read(PhysAddr a, std::span<u8> to) const {
        for (u64 done = 0; done < to.size();) {
            const auto next = std::ranges::upper_bound(segments_, a + done, {},
                                                       [](const CaptureSegment& s) { return s.range.start; });
            if (next == segments_.begin() || !std::prev(next)->range.contains(a + done)) return false;
            const CaptureSegment& s = *std::prev(next);
            const u64 n = std::min<u64>(to.size() - done, s.range.end() - (a + done));
            if (&s != open_) {
                file_ = std::ifstream(s.path, std::ios::binary);
                open_ = &s;
            }
            file_.seekg(static_cast<std::streamoff>(a + done - s.range.start));
            REQUIRE(file_.read(reinterpret_cast<char*>(to.data() + done), static_cast<std::streamsize>(n)));
            done += n;
        }
        return true;
    }

private:
    std::vector<CaptureSegment> segments_;
    mutable const CaptureSegment* open_ = nullptr;
    mutable std::ifstream file_;
};

std::vector<std::pair<std::string, u64>> names_of(const Handover& h) {
    std::vector<std::pair<std::string, u64>> out;
    for (const HandoverSubtree& s : h.subtrees) out.emplace_back(s.name, s.blob.value);
    return out;
}

void require_equal(const HandoverToExport& sent, const Capture& capture) {
    REQUIRE(capture.fdt == sent.boot.fdt);
    REQUIRE(capture.fdt_size == sent.boot.fdt_size);
    REQUIRE(capture.scratch == sent.boot.scratch);
    REQUIRE(capture.scratch_bytes == sent.boot.scratch_bytes);
    REQUIRE(capture.boot.initrd == sent.boot.initrd);
    const StoredMemory memory(capture);
    const Handover got = read_handover(sent.boot, geometry_of(sent.geometry), rules_for(sent.generation),
                                       [&](PhysAddr a, std::span<u8> bytes) { return memory.read(a, bytes); });
    WarningSink odd;
    const u32 shift = geometry_of(sent.geometry).page_shift;
    const Coverage preserved = coverage_of(got.blocks, shift);
    const HandoverUsers users;
    audit_handover({got, users, preserved, shift, sent.map.ram}, odd);
    std::vector<Warning> found = odd.take();
    found.insert(found.end(), got.warnings.begin(), got.warnings.end());
    // Bitmaps that unpreserve left empty, empty scratch areas: a note, no error.
    std::erase_if(found, [](const Warning& w) { return info(w.id).severity == Severity::kNote; });
    for (const Warning& w : found) UNSCOPED_INFO(w.text);
    REQUIRE(found.empty());
    REQUIRE(got.blocks == sent.handover.blocks);
    REQUIRE(got.scratch == sent.handover.scratch);
    REQUIRE(names_of(got) == names_of(sent.handover));
    REQUIRE(got.root_fdt.bytes == sent.handover.root_fdt.bytes);
    REQUIRE(capture.expect);
    REQUIRE(capture.expect->preserved.size() == sent.handover.blocks.size());
    // Every byte that anybody wrote to a preserved block.
    std::vector<u8> stored(kFrameSize);
    for (const HandoverBlock& b : sent.handover.blocks)
        sent.touched({b.phys, geometry_of(sent.geometry).bytes_of(b.order)},
                     [&](PhysAddr at, std::span<const u8> frame) {
                         REQUIRE(memory.read(at, stored));
                         REQUIRE(std::ranges::equal(stored, frame));
                     });
    REQUIRE(read_map_file(capture.folder).entries == sent.map.entries);
}

void require_boots(const Sender& sender, const HandoverToExport& sent, const Capture& capture) {
    Machine receiver({.geometry = sent.geometry, .map = sent.map, .seed = 1});
    receiver.begin_step();
    const Outcome out = receiver.boot_captured(capture, sender.kernel, std::nullopt);
    for (const Event& line : receiver.events().lines()) UNSCOPED_INFO(receiver.events().text(line));
    INFO(verdict_of(out.fault.kind) << " " << out.fault.args[0] << " " << out.fault.line);
    REQUIRE(out.kind == Outcome::Kind::kBooted);
    REQUIRE(receiver.kernel()->kho.is_kho_boot != 0);
    REQUIRE(receiver.deserialised() == sent.handover.blocks);
}

struct Folder {
    fs::path path = fs::temp_directory_path() / fmt::format("baton-round-trip-{}", getpid());
    Folder() { fs::create_directories(path); }
    ~Folder() { fs::remove_all(path); }
};

u64 number_from(const char* name, u64 otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

TEST_CASE("captures: random handovers of ours, exported, renamed and read again, are equal", "[shards]") {
    const Folder folder;
    const Shard shard = test::shard();
    const u64 only = number_from("BATON_ROUND_TRIP", ~u64{0});
    const u64 handovers = number_from("BATON_ROUND_TRIPS", kHandovers);
    u64 blocks = 0;
    u64 most_areas = 0;
    u32 highest_order = 0;
    for (u64 i = 0; i < handovers; ++i) {
        if (only != ~u64{0} ? i != only : !shard.has(i)) continue;
        INFO("BATON_ROUND_TRIP=" << i);
        const bool many = i % kManyEvery == kManyEvery / 2;
        const Sender sender(i, many);
        const HandoverToExport sent = handover_of(*sender.machine, fmt::format("random-{}", i));
        export_capture(sent, folder.path / "as-written");
        fs::rename(folder.path / "as-written", folder.path / "moved");
        const Capture capture = read_capture(folder.path / "moved");
        require_equal(sent, capture);
        if (many || i % kBootEvery == 0) require_boots(sender, sent, capture);
        fs::remove_all(folder.path / "moved");
        if (many) REQUIRE(sent.handover.blocks.size() > kManyBlocks / 2);
        blocks += sent.handover.blocks.size();
        most_areas = std::max<u64>(most_areas, sent.handover.scratch.size());
        for (const HandoverBlock& b : sent.handover.blocks) highest_order = std::max(highest_order, b.order.value);
    }
    // Of all of them, in whatever shares; a sample need not have everything.
    if (only != ~u64{0} || handovers < 1000) return;
    CHECK(highest_order == 18);
    CHECK(most_areas == 2 + kNodesMax);
    CHECK(blocks > 100'000 / shard.count);
}

TEST_CASE("captures: the same handover gives the same bytes in every file") {
    const Folder folder;
    const auto write = [&](const char* name) {
        const Sender sender(50, false);
        export_capture(handover_of(*sender.machine, "same"), folder.path / name);
    };
    write("a");
    write("b");
    u64 files = 0;
    for (const auto& entry : fs::directory_iterator(folder.path / "a")) {
        std::ifstream a(entry.path(), std::ios::binary);
        std::ifstream b(folder.path / "b" / entry.path().filename(), std::ios::binary);
        const std::string left{std::istreambuf_iterator<char>(a), {}};
        const std::string right{std::istreambuf_iterator<char>(b), {}};
        CHECK(left == right);
        ++files;
    }
    CHECK(files > 5);
}

TEST_CASE("captures: pages of zeros are holes, and blocks that touch share a file") {
    const Folder folder;
    const Sender sender(7, false);
    const HandoverToExport sent = handover_of(*sender.machine, "sparse");
    const ExportedCapture done = export_capture(sent, folder.path / "c");
    CHECK(done.blocks == sent.handover.blocks.size());
    CHECK(done.bytes >= done.pages * kFrameSize);
    CHECK(done.bytes_stored < done.bytes / 2);
    const Capture c = read_capture(folder.path / "c");
    CHECK(c.segments.size() == done.segments);
    for (std::size_t i = 1; i < c.segments.size(); ++i) {
        const bool touch = c.segments[i - 1].range.end() == c.segments[i].range.start;
        const bool both =
            c.segments[i - 1].file.starts_with("preserved") && c.segments[i].file.starts_with("preserved");
        CHECK(!(touch && both));
    }
}

TEST_CASE("captures: a folder that is not empty, or cannot be made, is refused and left alone") {
    const Folder folder;
    const Sender sender(3, false);
    const HandoverToExport sent = handover_of(*sender.machine, "x");
    std::ofstream(folder.path / "mine") << "data";
    CHECK_THROWS_WITH(export_capture(sent, folder.path), "exists and is not an empty folder");
    CHECK(fs::exists(folder.path / "mine"));
    CHECK_THROWS_WITH(export_capture(sent, folder.path / "no" / "where"), "is no folder");
    CHECK_THROWS_WITH(export_capture(sent, "/proc/x"), Catch::Contains("cannot be written"));
    fs::create_directory(folder.path / "empty");
    export_capture(sent, folder.path / "empty");
    CHECK(is_capture(folder.path / "empty"));
    u64 left = 0;
    for (const auto& entry : fs::directory_iterator(folder.path))
        left += entry.path().string().ends_with(".new") ? 1 : 0;
    CHECK(left == 0);
}

}  // namespace
