// SPDX-License-Identifier: GPL-2.0-only
// `baton trace`: what it shows is what the guest executes.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/guest/runner.hpp"
#include "sim/guest/tracer.hpp"
#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using namespace baton;
using baton::tests::run_baton;
using baton::tests::Said;
using baton::tests::TemporaryFolder;

namespace {

constexpr std::string_view kQuickstart = BATON_SOURCE_DIR "/scenarios/library/quickstart.toml";
constexpr std::string_view kArchs[] = {"x86_64", "aarch64"};

nlohmann::json trace_json(std::string_view arguments) {
    const Said said = run_baton(fmt::format("trace {} --json {}", kQuickstart, arguments));
    CAPTURE(said.out, said.err);
    REQUIRE(said.exit == 0);
    return nlohmann::json::parse(said.out);
}

/// The program counters of a run from a point on, by a hook on every instruction: another way to learn them.
class Recorder final : public sim::Monitor {
public:
    Recorder(const sim::SitePoint& from, std::size_t count) : counter_(from), count_(count) {}
    bool at(Site site, u64, u64) override {
        const bool here = counter_.at(site);
        begin_ = begin_ || here;
        if (pcs.size() >= count_) done_ = true;
        return here || done_;
    }
    void stopped(sim::Machine& machine, const sim::Stop&) override {
        if (done_) {
            hook_.remove();
            throw sim::RunAbandoned{};
        }
        if (!begin_ || hook_) return;
        sim::Engine& engine = machine.guest()->engine();
        hook_ = engine.on_code(0, ~u64{0}, [this](u64 pc) {
            if (pcs.empty() || pcs.back() != pc) pcs.push_back(pc);
        });
        engine.flush_code();
    }
    std::vector<u64> pcs;  // without repetitions: a store that stops the CPU is announced twice

private:
    sim::SiteCounter counter_;
    std::size_t count_;
    bool begin_ = false;
    bool done_ = false;
    sim::Engine::Hook hook_;
};

/// Executes 300 single instructions behind some points of every phase, and otherwise leaves the run alone.
class Stepper final : public sim::Monitor {
public:
    bool at(Site site, u64, u64) override {
        const bool here = site == Site::kKexecJump || site == Site::kRelocateDone || site == Site::kKernelEntry ||
                          site == Site::kKhoFinaliseBegin || site == Site::kBootDone;
        if (here) left_ = 300;
        return here;
    }
    void stopped(sim::Machine& machine, const sim::Stop& stop) override {
        REQUIRE(stop.kind == sim::Stop::Kind::kBreak);
        if (left_ == 0) return;
        --left_;
        ++steps;
        machine.guest()->stop_after(1);
    }
    u64 steps = 0;

private:
    u64 left_ = 0;
};

scenarios::RunResult play(std::string_view arch, sim::Monitor* monitor) {
    const scenarios::Parsed parsed = scenarios::parse_file(std::string(kQuickstart));
    REQUIRE(parsed.scenario);
    scenarios::MachineMatrix matrix = parsed.scenario->machine;
    matrix.targets = {scenarios::Target::kGuest};
    std::erase_if(matrix.archs, [&](GeometryId g) { return geometry_of(g).name != arch; });
    const std::vector<scenarios::Cell> cells = scenarios::expand(matrix);
    REQUIRE(cells.size() == 1);
    scenarios::RunOptions options;
    options.image_folder = BATON_IMAGES;
    options.monitor = monitor;
    return scenarios::run_cell(*parsed.scenario, cells[0], options);
}

}  // namespace

TEST_CASE("trace: a run that is stepped through ends as the run that is not") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        Stepper stepper;
        const scenarios::RunResult stepped = play(arch, &stepper);
        const scenarios::RunResult plain = play(arch, nullptr);
        CHECK(stepper.steps > 3000);
        CHECK(plain.verdict == scenarios::Verdict::kPass);
        CHECK(stepped.verdict == plain.verdict);
        CHECK(stepped.state_hash == plain.state_hash);
        CHECK(stepped.handover_hash == plain.handover_hash);
        CHECK(stepped.hops.size() == 2);
    }
}

TEST_CASE("trace: the same instructions as a run with a hook on every one, from kernel code into the relocation") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const sim::SitePoint from{.site = Site::kKexecJump, .nth = 1, .step = {}};
        constexpr std::size_t kCount = 3000;
        sim::Tracer tracer(arch == "x86_64" ? Isa::kX86_64 : Isa::kAArch64, {.from = from, .skip = 0, .count = kCount});
        CHECK_THROWS_AS(play(arch, &tracer), sim::RunAbandoned);
        REQUIRE(tracer.complete());
        Recorder recorder(from, kCount + 1);
        CHECK_THROWS_AS(play(arch, &recorder), sim::RunAbandoned);
        std::vector<u64> traced;
        for (const sim::TracedInstruction& i : tracer.instructions())
            if (traced.empty() || traced.back() != i.pc) traced.push_back(i.pc);
        // The recorder also saw the store at which it stood, once more.
        const auto first = std::ranges::find(recorder.pcs, traced.front());
        REQUIRE(first - recorder.pcs.begin() <= 1);
        REQUIRE(recorder.pcs.end() - first >= static_cast<std::ptrdiff_t>(traced.size()));
        for (std::size_t i = 0; i < traced.size(); ++i) {
            INFO(i << " " << tracer.instructions()[i].symbol);
            REQUIRE(traced[i] == first[static_cast<std::ptrdiff_t>(i)]);
        }
    }
}

TEST_CASE("trace: symbols, disassembly and operands of kernel code") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const auto out = trace_json(fmt::format("--arch {} --at kho.finalise.begin --count 40", arch));
        CHECK(out.at("complete") == true);
        CHECK(out.at("arch") == arch);
        CHECK(out.at("point").at("site") == "kho.finalise.begin");
        REQUIRE(out.at("instructions").size() == 40);
        const auto& first = out.at("instructions")[0];
        CHECK(first.at("symbol").get<std::string>().starts_with("baton::platform::at("));
        std::size_t reads = 0;
        std::size_t writes = 0;
        for (const auto& i : out.at("instructions"))
            for (const auto& a : i.at("accesses")) {
                CHECK(a.at("mapped") == true);
                CHECK(a.at("executable") == false);  // data is never executable
                if (!a.contains("value")) continue;  // the port
                reads += a.at("kind") == "read";
                writes += a.at("kind") == "write";
            }
        CHECK(reads > 3);
        CHECK(writes > 1);
    }
}

TEST_CASE("trace: relocation code runs through the identity map on x86-64, the direct map on AArch64") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const auto out = trace_json(fmt::format("--arch {} --at relocate.page#2 --count 60", arch));
        bool reads_list = false;
        for (const auto& i : out.at("instructions")) {
            CHECK(i.at("symbol").get<std::string>().starts_with("relocate_"));
            for (const auto& a : i.at("accesses")) {
                const u64 virtual_address = std::stoull(a.at("address").get<std::string>(), nullptr, 16);
                const u64 physical = std::stoull(a.at("physical").get<std::string>(), nullptr, 16);
                const u64 base = arch == "x86_64" ? 0 : 0xffff000000000000 - 0x40000000;
                CHECK(virtual_address - physical == base);
                reads_list = reads_list || a.at("kind") == "read";
            }
        }
        CHECK(reads_list);
    }
}

TEST_CASE("trace: +n begins exactly n instructions later, also across the points in between") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const auto whole = trace_json(fmt::format("--arch {} --at relocate.done --count 120", arch));
        const auto tail = trace_json(fmt::format("--arch {} --at relocate.done+100 --count 20", arch));
        for (std::size_t i = 0; i < 20; ++i) CHECK(tail.at("instructions")[i] == whole.at("instructions")[100 + i]);
    }
}

TEST_CASE("trace: occurrences count over the run, or within a step") {
    // Step 5 is the first exec, step 9 the second.
    const auto second = trace_json("--at kernel.entry#3 --count 3");
    CHECK(trace_json("--at kernel.entry --step 9 --count 3").at("instructions") == second.at("instructions"));
    CHECK(run_baton(fmt::format("trace {} --at kernel.entry#2 --step 9", kQuickstart)).exit == 1);
}

TEST_CASE("trace: text for people") {
    const Said said = run_baton(fmt::format("trace {} --at purgatory.done --count 3", kQuickstart));
    CAPTURE(said.out);
    CHECK(said.exit == 0);
    CHECK(said.out.find("x86_64, guest") != std::string::npos);
    CHECK(said.out.find("purgatory") != std::string::npos);
    CHECK(said.out.find("(2M rwx)") != std::string::npos);
}

TEST_CASE("trace: a fault or the end of the scenario ends it early, and it says so") {
    const TemporaryFolder folder;
    const std::string file = folder.write("t.toml",
                                          "title = 't'\nmachine = { arch = 'x86_64' }\nkernel.a = { cmdline = '' }\n"
                                          "step = [{ do = 'boot', kernel = 'a' }]\n");
    const Said said = run_baton(fmt::format("trace {} --at boot.done --count 5000", file));
    CHECK(said.exit == 0);
    CHECK(said.out.ends_with("the trace ends early: the scenario is over\n"));
}

TEST_CASE("trace: what is wrong is said, with the exit code of its kind") {
    const auto exit_of = [](std::string_view arguments) { return run_baton(fmt::format("trace {}", arguments)).exit; };
    CHECK(exit_of(fmt::format("{} --at kho.abort", kQuickstart)) == 1);
    CHECK(exit_of(fmt::format("{} --at no.such.site", kQuickstart)) == 2);
    CHECK(exit_of(fmt::format("{} --at kexec.jump#0", kQuickstart)) == 2);
    CHECK(exit_of(fmt::format("{} --at kexec.jump+x", kQuickstart)) == 2);
    CHECK(exit_of(fmt::format("{} --at kexec.jump --count 0", kQuickstart)) == 2);
    CHECK(exit_of(fmt::format("{} --at kexec.jump --arch vax", kQuickstart)) == 2);
    CHECK(exit_of(fmt::format("{}", kQuickstart)) == 2);
    CHECK(exit_of("/nowhere.toml --at kexec.jump") == 3);
    CHECK(exit_of(fmt::format("{} --at kexec.jump --arch aarch64-64k", kQuickstart)) == 3);
    const Said json = run_baton(fmt::format("trace {} --at kho.abort --json", kQuickstart));
    CHECK(nlohmann::json::parse(json.out).contains("error"));
}
