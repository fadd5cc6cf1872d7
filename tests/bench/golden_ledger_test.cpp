// SPDX-License-Identifier: GPL-2.0-only
// Three standard handovers cost what tests/data/ledgers/ says. To take over what they cost now:
//   BATON_RENEW_LEDGERS=1 build/dev/tests/tests_bench "golden ledgers*"
#include "tests/bench/golden_ledger.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "bench/blackout/blackout.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::blackout;
using namespace baton::tests;

namespace {

struct Job {
    std::string_view file;
    MachineSpec machine;
    u32 order;
    How how;
};
constexpr Job kJobs[] = {
    {"x86_64_6.18_1G_order0.txt", {GeometryId::kX86_64, Generation::k6_18, kGiB}, 0, How::kRun},
    {"aarch64_7.1_16G_order9.txt", {GeometryId::kAArch64_4K, Generation::k7_1, 16 * kGiB}, 9, How::kComputed},
    {"x86_64_6.16_64G_order18.txt", {GeometryId::kX86_64, Generation::k6_16, 64 * kGiB}, 18, How::kComputed},
};

std::string read(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("golden ledgers: a handover costs what it did") {
    const Request request{.image_folder = BATON_IMAGES};
    for (const Job& job : kJobs) {
        std::optional<HandoverMachine> machine;
        const Cell cell = run_cell(request, job.machine, {job.order}, machine);
        INFO(job.file << " " << cell.message);
        REQUIRE(cell.how == job.how);
        const std::string now = ledger_text(cell.counts);
        const std::filesystem::path file = std::filesystem::path(BATON_SOURCE_DIR) / "tests/data/ledgers" / job.file;
        if (std::getenv("BATON_RENEW_LEDGERS") != nullptr) std::ofstream(file, std::ios::binary) << now;
        const std::string diff = ledger_diff(read(file), now);
        INFO(diff << "if that is meant: BATON_RENEW_LEDGERS=1 build/dev/tests/tests_bench \"golden ledgers*\"");
        CHECK(diff.empty());
    }
}

TEST_CASE("golden ledgers: a change is a line with its phase and unit") {
    Counts counts;
    counts.of(Phase::kMemoryMap, Work::kStructPages) = 300;
    counts.of(Phase::kRelocation, Work::kPagesCopied) = 7;
    const std::string kept = ledger_text(counts);
    CHECK(kept ==
          "P6  relocation        pages_copied                   7\n"
          "P10 memory map        struct_pages                 300\n");
    CHECK(ledger_diff(kept, kept).empty());

    counts.of(Phase::kMemoryMap, Work::kStructPages) = 301;
    counts.of(Phase::kRelocation, Work::kPagesCopied) = 0;
    counts.of(Phase::kRestore, Work::kBitOps) = 1;
    CHECK(ledger_diff(kept, ledger_text(counts)) ==
          "- P6  relocation        pages_copied                   7\n"
          "- P10 memory map        struct_pages                 300\n"
          "+ P10 memory map        struct_pages                 301\n"
          "+ P13 restore           bit_ops                        1\n");
    CHECK_FALSE(ledger_diff("", kept).empty());
    CHECK_FALSE(ledger_diff(kept, "").empty());
    // The same count of another phase is no match.
    CHECK(ledger_diff("P6  relocation        pages_copied                   7\n",
                      "P0  load              pages_copied                   7\n") ==
          "- P6  relocation        pages_copied                   7\n"
          "+ P0  load              pages_copied                   7\n");
}
