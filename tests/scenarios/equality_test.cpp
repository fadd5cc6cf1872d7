// SPDX-License-Identifier: GPL-2.0-only
// The same kernel on both targets: every scenario of the library passes the same points at the same ledger time and
// leaves the same bytes, natively and as machine code (decisions D4, D6f); and no kernel looks at RAM it never wrote
// (D6c). What the comparison itself can see is tested too.
//
// Shards: 4
#include <algorithm>

#include "model/kernel.hpp"
#include "scenarios/engine/compare.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"
#include "tests/catch.hpp"
#include "tests/support/shard.hpp"

namespace baton::scenarios {
namespace {

const RunOptions kOptions{.image_folder = BATON_IMAGES};
inline constexpr u64 kFilledRamMax = 4 * kGiB;

Scenario parsed(const std::string& file) {
    Parsed p = parse_file(file);
    REQUIRE(p.scenario.has_value());
    return std::move(*p.scenario);
}

/// All but what is about machine code, and so has nothing to be compared with.
std::vector<Scenario> library() {
    std::vector<Scenario> all;
    for (const std::string& file : find_scenarios({BATON_SOURCE_DIR "/scenarios/library"}).files)
        if (Scenario s = parsed(file); !targets_of(s, {Target::kNative}).empty()) all.push_back(std::move(s));
    REQUIRE(all.size() >= 30);
    return all;
}

Comparison native_and_guest(const Scenario& scenario, Cell cell, const RunOptions& guest_options = kOptions) {
    cell.target = Target::kNative;
    Cell guest = cell;
    guest.target = Target::kGuest;
    return compare(scenario, {cell, kOptions}, {guest, guest_options});
}

void require_equal(const Scenario& scenario, const Cell& cell) {
    const Comparison c = native_and_guest(scenario, cell);
    INFO(report_comparison(c));
    REQUIRE(c.first.verdict == Verdict::kPass);
    REQUIRE(c.second.verdict == Verdict::kPass);
    REQUIRE_FALSE(c.difference);
    REQUIRE(c.sites > 10);
    REQUIRE(c.frames > 100);
    // An image's data and stack, a kernel stack, a control page, a purgatory; six kernels at most.
    REQUIRE_FALSE(c.unequal.empty());
    REQUIRE(c.unequal.size() < 6 * 5);
}

/// A guest cannot have so much memory; or its CPU ends what a native kernel's page walk ends (guest/ has the same for
/// it).
bool has_no_twin(const Scenario& s, const Cell& cell) {
    const auto differs = [](const Step& step) { return step.outcome.by_target; };
    return cell.ram_bytes > kRamBytesMaxGuest || s.file.ends_with("memory/vmalloc_after_free.toml") ||
           std::ranges::any_of(s.steps, differs);
}

/// A cell that has a native twin in its own matrix.
bool is_again(const Scenario& s, const Cell& cell) {
    return cell.target == Target::kGuest && s.machine.targets.size() > 1;
}

/// These are about memory that nobody wrote: a reader of larger bitmaps runs on into it (specs/kho.md §10.1); test_kho
/// sums up what folios held whose content was not captured; a bent entry list copies a page that nobody filled.
bool reads_unwritten(const Scenario& s) {
    return s.file.ends_with("observed/bitmaps_6_16_to_6_18.toml") ||
           s.file.ends_with("kexec/list_reads_another_page_aarch64.toml") ||
           s.file.ends_with("captures/x86_64-6.18-test_kho.toml");
}

/// Four pages are preserved, and listed for a next kernel.
Scenario short_story() {
    Parsed p = parse_text(R"(title = "t"
machine = { ram = "256M", seed = 3 }
[kernel.a]
cmdline = "kho=on kho_scratch=16M,32M,16M"
[[step]]
do = "boot"
kernel = "a"
[[step]]
do = "alloc"
region = "r"
order = 2
[[step]]
do = "preserve"
region = "r"
[[step]]
do = "finalise"
)",
                          "short.toml");
    REQUIRE(p.scenario.has_value());
    return std::move(*p.scenario);
}

sim::HandoverPiece last_bitmap(sim::Machine& m) {
    const Kernel& k = *m.kernel();
    const sim::BootHandover boot{.fdt = k.kho.fdt, .fdt_size = m.geometry().page_size()};
    return sim::read_handover(boot, m.geometry(), k.rules(), m.reader()).tracker.back();
}

void flip(sim::Machine& m, PhysAddr at) {
    u8 byte = 0;
    REQUIRE(m.read(at, {&byte, 1}));
    byte ^= 0x40;
    REQUIRE(m.host_write(at, {&byte, 1}));
}

}  // namespace

TEST_CASE("equality: the whole library, on every ISA", "[shards]") {
    const test::Shard shard = test::shard();
    u64 cells = 0;
    u64 without_twin = 0;
    for (const Scenario& scenario : library())
        for (const Cell& cell : expand(scenario.machine)) {
            // Compared from its native twin already.
            if (is_again(scenario, cell)) continue;
            if (has_no_twin(scenario, cell))
                ++without_twin;
            else if (shard.has(cells++))
                require_equal(scenario, cell);
        }
    CHECK(without_twin == 10);  // 1 TiB and 16 TiB, the freed area, and two of F3, on two ISAs each
}

TEST_CASE("equality: larger pages") {
    for (const char* file : {"quickstart.toml", "five_hops.toml", "kho/folios_all_orders.toml"}) {
        const Scenario scenario = parsed(std::string(BATON_SOURCE_DIR "/scenarios/library/") + file);
        Cell cell = expand(scenario.machine).front();
        for (const GeometryId arch : {GeometryId::kAArch64_16K, GeometryId::kAArch64_64K}) {
            cell.arch = arch;
            const Comparison c = native_and_guest(scenario, cell);
            INFO(report_comparison(c));
            REQUIRE_FALSE(c.difference);
            REQUIRE(c.frames > 100);
        }
    }
}

TEST_CASE("equality: what RAM held at power-on reaches no result", "[shards]") {
    const test::Shard shard = test::shard();
    u64 cells = 0;
    u64 left_out = 0;
    for (const Scenario& scenario : library()) {
        if (reads_unwritten(scenario)) {
            ++left_out;
            continue;
        }
        for (Cell cell : expand(scenario.machine)) {
            if (cell.ram_bytes > kFilledRamMax || is_again(scenario, cell) || !shard.has(cells++)) continue;
            cell.target = Target::kNative;
            cell.fill = 0;
            Cell filled = cell;
            filled.fill = 0xa5;
            Comparison c = compare_sequences(scenario, {cell, kOptions}, {filled, kOptions});
            // Memory that is preserved without ever being written is part of what is handed over.
            INFO(report_comparison(c));
            REQUIRE_FALSE(c.difference);
            REQUIRE(c.first.verdict == Verdict::kPass);
        }
    }
    REQUIRE(cells >= 60);
    REQUIRE(left_out == 3);
}

TEST_CASE("equality: one flipped bit of a tracker bitmap on one side is found, with its address and owner") {
    const Scenario scenario = short_story();
    for (const GeometryId arch : {GeometryId::kX86_64, GeometryId::kAArch64_4K}) {
        Cell cell = expand(scenario.machine).front();
        cell.arch = arch;
        REQUIRE_FALSE(native_and_guest(scenario, cell).difference);
        PhysAddr flipped;
        RunOptions options = kOptions;
        options.on_step_end = [&](u32 step, sim::Machine& m) {
            if (step + 1 != scenario.steps.size()) return;
            const sim::HandoverPiece bitmap = last_bitmap(m);
            flipped = bitmap.phys + bitmap.bytes.size() - 1;
            flip(m, flipped);
        };
        const Comparison c = native_and_guest(scenario, cell, options);
        REQUIRE(c.difference);
        CHECK(c.difference->what == "RAM differs after step 4: " + hex(flipped) + " (handover metadata)");
        CHECK(c.difference->first == "0x00");
        CHECK(c.difference->second == "0x40");
        CHECK(report_comparison(c).find("guest    0x40") != std::string::npos);
    }
}

TEST_CASE("equality: a bit that was flipped and flipped back is found after the step in between") {
    const Scenario scenario = short_story();
    const Cell cell = expand(scenario.machine).front();
    RunOptions options = kOptions;
    options.on_step_end = [](u32 step, sim::Machine& m) {
        if (step == 0 || step == 1) flip(m, {0x8000000});
    };
    const Comparison c = native_and_guest(scenario, cell, options);
    REQUIRE(c.difference);
    CHECK(c.difference->what.starts_with("RAM differs after step 1: " + hex({0x8000000})));
}

TEST_CASE("equality: the first schedule point that differs is named") {
    const Scenario scenario = short_story();
    const Cell cell = expand(scenario.machine).front();
    Cell other = cell;
    other.ram_bytes = 512 * kMiB;
    const Comparison c = compare(scenario, {cell, kOptions}, {other, kOptions});
    REQUIRE(c.difference);
    CHECK(c.difference->what.starts_with("schedule point "));
    CHECK(c.difference->first != c.difference->second);
    CHECK(c.difference->first.find(" at ") != std::string::npos);
}

TEST_CASE("equality: the exclusion list is short, and says why") {
    const Scenario scenario = short_story();
    const Comparison c = native_and_guest(scenario, expand(scenario.machine).front());
    std::vector<std::string> why;
    for (const sim::UnequalRange& r : c.unequal) why.emplace_back(name(r.why));
    CHECK(why == std::vector<std::string>{"image data", "boot stack", "kernel stack"});
    CHECK(report_comparison(c).find("not compared\n") != std::string::npos);
}

}  // namespace baton::scenarios
