// SPDX-License-Identifier: GPL-2.0-only
// Which part of a scenario is explored, and what cannot be.
#include "scenarios/explore/window.hpp"

#include "scenarios/explore/toml_text.hpp"
#include "tests/scenarios/explore/made.hpp"

namespace baton::scenarios {
namespace {

using tests::TemporaryFolder;

std::string refusal(const std::string& text, WindowChoice choice = {}) {
    const TemporaryFolder folder;
    choice.file = folder.write("made.toml", text);
    std::vector<Diagnostic> diagnostics;
    CHECK_FALSE(open_window(choice, diagnostics));
    REQUIRE(!diagnostics.empty());
    return to_text(diagnostics.front());
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("window: begins behind the first start of a device, not later than the exec; --from says otherwise") {
    const TemporaryFolder folder;
    const std::string late = straggler("x86_64");  // boot, finalise, load, dma_start, exec
    CHECK(open(folder, late).from == 4);
    const std::string start = "[[step]]\ndo = 'dma_start'\ndevice = 'dma0'\n";
    std::string early = replaced(late, start, "");
    early = replaced(early, "[[step]]\ndo = 'finalise'", start + "[[step]]\ndo = 'finalise'");
    CHECK(open(folder, early).from == 2);
    CHECK(open(folder, early, {.from = 3}).from == 3);
    // A device that is started after the kexec only: then the kexec is what there is.
    CHECK(open(folder, replaced(late, start, "") + start).from == 3);
}

TEST_CASE("window: the scenario's own schedule and what was to come of it are dropped in it, and kept before it") {
    const TemporaryFolder folder;
    const std::string turn = "[[step.turn]]\nsite = 'mmio'\ndevice = 'dma0'\n";
    std::string text = straggler("x86_64");
    text = replaced(text, "device = 'dma0'\n", "device = 'dma0'\n" + turn);
    text += "expect_race = 'A2'\nloses = true\n[[step.turn]]\nsite = 'relocate.done'\ndevice = 'dma0'\n";
    text += "[[step]]\ndo = 'expect'\ndevice = 'dma0'\narrived = 1\n";
    const Window w = open(folder, text);
    REQUIRE(w.scenario.steps.size() == 5);
    CHECK(w.scenario.steps[3].turns.size() == 1);
    CHECK(w.scenario.steps[4].turns.empty());
    CHECK(w.scenario.steps[4].outcome.races.empty());
    CHECK_FALSE(std::get<step::Exec>(w.scenario.steps[4].action).loses);
    CHECK(open(folder, text, {.keep_turns = true}).scenario.steps[4].turns.size() == 1);
}

TEST_CASE("window: is of one machine, wherever its file lies") {
    const TemporaryFolder folder;
    std::string text = replaced(straggler("x86_64"), "arch = 'x86_64', ram = '64M'",
                                "arch = ['x86_64', 'aarch64'], target = ['native', 'guest'], ram = ['64M', '128M'], "
                                "seed = [3, 0x4]");
    text = replaced(text, "[kernel.b]\n", "[kernel.b]\nimage = 'sub/../b.img'\n");
    folder.write("b.img", "not read before it is played");
    const Window w = open(folder, text, {.arch = GeometryId::kAArch64_4K, .target = Target::kGuest, .seed = ~u64{0}});
    CHECK(w.cell.arch == GeometryId::kAArch64_4K);
    CHECK(w.cell.target == Target::kGuest);
    CHECK(w.cell.ram_bytes == 64 * kMiB);
    CHECK(w.cell.seed == ~u64{0});
    CHECK(w.scenario.kernels[1].image == folder.path("b.img"));
    CHECK(to_toml(w.document).find("image = \"" + folder.path("b.img")) != std::string::npos);
}

TEST_CASE("window: what cannot be explored is said") {
    const std::string good = straggler("x86_64");
    CHECK(refusal(replaced(good, "[[step]]\ndo = 'exec'\n", "")).find("no step is an exec") != std::string::npos);
    CHECK(
        refusal(replaced(good, "[[step]]\ndo = 'dma_start'\ndevice = 'dma0'\n", "")).find("no step starts a device") !=
        std::string::npos);
    std::string bare = replaced(good, "[[step]]\ndo = 'dma_start'\ndevice = 'dma0'\n", "");
    bare = replaced(bare, "[device.dma0]\nkind = 'dma_engine'\nhonours_bus_master = false\n", "");
    CHECK(refusal(bare).find("no device") != std::string::npos);
    CHECK(refusal(good + "break = 'relocate.done'\n[[step]]\ndo = 'continue'\n").find("belongs to a break") !=
          std::string::npos);
    CHECK(refusal(good, {.from = 0}).find("cannot be the first") != std::string::npos);
    CHECK(refusal(good, {.from = 5}).find("cannot be the first") != std::string::npos);
    CHECK(refusal(good, {.arch = GeometryId::kAArch64_4K}).find("no machine as chosen") != std::string::npos);
    CHECK(refusal(good + "nonsense = 1\n").find("nonsense") != std::string::npos);
}

}  // namespace baton::scenarios
