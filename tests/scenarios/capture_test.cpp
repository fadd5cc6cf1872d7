// SPDX-License-Identifier: GPL-2.0-only
// Kernels of ours take over what real kernels handed over: the same blocks, in the same order, with every byte; and
// hand the same on themselves.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/capture/capture.hpp"
#include "sim/machine.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;
namespace fs = std::filesystem;

namespace {

const fs::path kCaptures = fs::path(BATON_SOURCE_DIR) / "tests/data/linux-kho";

bool known(const std::string& generation) {
    return std::ranges::any_of(kGenerations, [&](const GenerationInfo& g) { return g.name == generation; });
}

bool needs_finalise(const std::string& generation) {
    return std::ranges::any_of(kGenerations, [&](const GenerationInfo& g) {
        return g.name == generation && rules_for(g.id).outgoing != OutgoingKind::kLive;
    });
}

std::vector<fs::path> captures() {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(kCaptures))
        if (sim::is_capture(entry.path()) && known(sim::read_capture(entry.path()).generation))
            found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

/// What the real receiving kernel printed as it reserved block after block (memblock=debug).
std::vector<PhysRange> really_reserved(const fs::path& capture) {
    std::ifstream in(capture / "k2/dmesg.txt");
    std::vector<PhysRange> ranges;
    for (std::string line; std::getline(in, line);) {
        const bool of_kho = line.find("kho_memory_init") != std::string::npos ||
                            line.find("kho_preserved_memory_reserve") != std::string::npos;
        const std::size_t at = line.find("__memblock_reserve: [");
        if (!of_kho || at == std::string::npos) continue;
        u64 start = 0;
        u64 last = 0;
        if (std::sscanf(line.c_str() + at, "__memblock_reserve: [0x%lx-0x%lx]", &start, &last) == 2)
            ranges.push_back({{start}, last - start + 1});
    }
    return ranges;
}

std::string head(const fs::path& capture, const std::string& targets) {
    const std::string generation = sim::read_capture(capture).generation;
    return fmt::format(
        "title = 't'\nmachine = {{ target = [{}] }}\n[kernel.k]\ngeneration = '{}'\nkexec_base = '6.12'\ncma_align = "
        "'4M'\n"
        "[[step]]\ndo = 'boot'\nkernel = 'k'\ncapture = '{}'\n",
        targets, generation, capture.string());
}

/// Plays a scenario on each of its machines; `look` sees the machine after each step.
void play(const std::string& text, const std::function<void(u32, sim::Machine&)>& look = {}) {
    const Parsed parsed = parse_text(text, "t.toml");
    for (const Diagnostic& d : parsed.diagnostics) FAIL(to_text(d));
    for (const Cell& cell : expand(parsed.scenario->machine)) {
        INFO(cell_name(cell));
        RunOptions options{.image_folder = BATON_IMAGES};
        options.on_step_end = look;
        const RunResult r = run_cell(*parsed.scenario, cell, options);
        for (const Finding& f : r.findings) UNSCOPED_INFO("step " << f.step + 1 << ": " << f.what << ": " << f.detail);
        INFO(r.message << "\n" << r.crash);
        REQUIRE(r.verdict == Verdict::kPass);
    }
}

TEST_CASE("captures: every one boots, and its kernel reserves what the real one reserved, in the same order") {
    const auto all = captures();
    REQUIRE(all.size() == 4);
    for (const fs::path& capture : all) {
        INFO(capture.string());
        const std::vector<PhysRange> wanted = really_reserved(capture);
        REQUIRE(!wanted.empty());
        REQUIRE(wanted.size() == sim::read_capture(capture).expect->preserved.size());
        u32 looked = 0;
        play(head(capture, "'native', 'guest'") + "[[step]]\ndo = 'expect'\nkho_boot = true\ncaptured = true\n",
             [&](u32 step, sim::Machine& machine) {
                 if (step != 0) return;
                 ++looked;
                 std::vector<PhysRange> got;
                 for (const sim::HandoverBlock& b : machine.deserialised())
                     got.push_back({b.phys, machine.geometry().bytes_of(b.order)});
                 CHECK(got == wanted);
             });
        CHECK(looked == 2);
    }
}

TEST_CASE("captures: entered where the captured kernel began, with what it was told") {
    for (const fs::path& capture : captures()) {
        INFO(capture.string());
        const sim::Capture c = sim::read_capture(capture);
        play(head(capture, "'native'"), [&](u32, sim::Machine& machine) {
            const auto& seen = machine.handover();
            REQUIRE(seen);
            CHECK(seen->argument == *c.argument);
            CHECK(seen->image + (c.isa == Isa::kX86_64 ? kEntryOffsetX86 : 0) == *c.entry);
            CHECK(seen->boot.fdt == c.fdt);
            CHECK(seen->boot.scratch == c.scratch);
            CHECK(seen->boot.scratch_bytes == c.scratch_bytes);
            if (!c.boot.initrd.empty()) CHECK(seen->boot.initrd == c.boot.initrd);
            for (const sim::Event& line : machine.events().lines())
                CHECK(machine.events().text(line).find("capture: ") == std::string::npos);  // nothing was adapted
        });
    }
}

/// A block of ours that no restored block is: the next root FDT, say.
using Blocks = std::vector<sim::HandoverBlock>;

Blocks without(const Blocks& all, const Blocks& wanted, u64& others) {
    Blocks left;
    others = 0;
    for (const sim::HandoverBlock& b : all) {
        if (std::ranges::find(wanted, b) != wanted.end())
            left.push_back(b);
        else
            ++others;
    }
    return left;
}

// Every block comes back and is preserved again, one by one in another order; our kernel writes the metadata.
TEST_CASE(
    "captures: our outgoing kernel writes metadata of the same blocks that decodes to the same set in the same order") {
    for (const fs::path& capture : captures()) {
        INFO(capture.string());
        const sim::Capture c = sim::read_capture(capture);
        std::string text = head(capture, "'native', 'guest'");
        // reserve_mem hands its regions on by itself.
        const auto by_itself = [&](PhysAddr a) {
            return std::ranges::any_of(c.patterned, [&](const PhysRange& p) { return p.contains(a); });
        };
        auto blocks = c.expect->preserved;
        std::ranges::reverse(blocks);
        for (const auto& [at, order] : blocks) {
            if (by_itself(at) || at == c.fdt) continue;  // the kernel restores the incoming FDT page
            text += fmt::format("[[step]]\ndo = 'restore'\nphys = {:#x}\n", at.value);
            text += fmt::format("[[step]]\ndo = 'preserve'\nphys = {:#x}\n", at.value);
        }
        if (needs_finalise(c.generation)) text += "[[step]]\ndo = 'finalise'\n";
        text += "[[step]]\ndo = 'kexec_file_load'\nkernel = 'k'\n";
        text += "cmdline = 'kho=on reserve_mem=2M:4096:data reserve_mem=12288:4096:small'\n[[step]]\ndo = 'exec'\n";
        Blocks first;
        Blocks second;
        play(text, [&](u32 step, sim::Machine& machine) {
            if (step == 0) first = machine.deserialised();
            second = machine.deserialised();
        });
        Blocks handed;
        for (const sim::HandoverBlock& b : first)
            if (b.phys != c.fdt) handed.push_back(b);
        u64 others = 0;
        CHECK(without(second, handed, others) == handed);
        CHECK(others >= 1);  // its own root FDT
        CHECK(others <= 3);
    }
}

TEST_CASE("captures: a command line of the scenario's replaces the captured one, and that is said") {
    for (const fs::path& capture : captures()) {
        INFO(capture.string());
        play(head(capture, "'native'") + "cmdline = 'kho=on reserve_mem=2M:4096:data'\n" +
                 "[[step]]\ndo = 'expect'\nkho_boot = true\nregion = 'data'\nintact = true\nlog = 'capture: the "
                 "command line'\n",
             [](u32, sim::Machine&) {});
    }
}

// Areas that begin and end in the middle of a pageblock, and an empty one.
TEST_CASE("captures: scratch of any shape will do as long as the image fits, which then moves if it must") {
    const fs::path folder = fs::temp_directory_path() / "baton-capture-scratch-test";
    fs::remove_all(folder);
    fs::copy(kCaptures / "x86_64-6.16", folder, fs::copy_options::recursive);
    const auto with_areas = [&](const std::vector<u64>& words) {
        std::ofstream(folder / "scratch_array_0x1eff0000.bin", std::ios::binary)
            .write(reinterpret_cast<const char*>(words.data()), static_cast<std::streamsize>(words.size() * 8));
    };
    const std::string expects = "[[step]]\ndo = 'expect'\nkho_boot = true\ncaptured = true\n";
    with_areas({0x1e001000, 0xffd000, 0x1a000000, 0x3fff000, 0x18003000, 0});
    play(head(folder, "'native', 'guest'") + expects);
    // The kernel's own place is in no area: it goes to the nearest.
    with_areas({0x1e300000, 0xd00000, 0x1a000000, 0x3fff000, 0x18003000, 0x1000});
    play(head(folder, "'native', 'guest'") + expects +
         "log = 'capture: the captured kernel at 0x1e200000 is not in scratch'\n");
    fs::remove_all(folder);
}

TEST_CASE("captures: what cannot be booted is bad input with its reason") {
    const fs::path folder = fs::temp_directory_path() / "baton-capture-test";
    fs::remove_all(folder);
    fs::copy(kCaptures / "x86_64-6.16", folder, fs::copy_options::recursive);
    const auto message = [&](const std::string& machine) {
        const Parsed parsed = parse_text(fmt::format("title = 't'\n{}\n[kernel.k]\ngeneration = '6.16'\n[[step]]\ndo = "
                                                     "'boot'\nkernel = 'k'\ncapture = '{}'\n",
                                                     machine, folder.string()),
                                         "t.toml");
        if (!parsed.scenario) return to_text(parsed.diagnostics.at(0));
        const RunResult r =
            run_cell(*parsed.scenario, expand(parsed.scenario->machine)[0], {.image_folder = BATON_IMAGES});
        CHECK(r.verdict == Verdict::kBadInput);
        return r.message;
    };
    CHECK(message("machine = { arch = 'aarch64' }").find("is of an x86_64 kernel") != std::string::npos);
    CHECK(message("machine = { ram = '128M' }").find("where the machine has no RAM for it") != std::string::npos);
    // Scratch too small for any image.
    std::ofstream array(folder / "scratch_array_0x1eff0000.bin", std::ios::binary);
    const u64 areas[6] = {0x1e000000, 0x1000, 0x1a000000, 0x1000, 0x18000000, 0};
    array.write(reinterpret_cast<const char*>(areas), sizeof(areas));
    array.close();
    CHECK(message("").find("fits into none of the 2 scratch areas") != std::string::npos);
    fs::remove(folder / "scratch_array_0x1eff0000.bin");
    CHECK(message("").find("scratch_array_0x1eff0000.bin\" cannot be read") != std::string::npos);
    fs::remove_all(folder);
}

}  // namespace
