// SPDX-License-Identifier: GPL-2.0-only
// The kernel's own memory: what a boot costs by the size of RAM, and what the page allocator costs by the call.
#include <fmt/format.h>

#include <chrono>
#include <fstream>

#include "model/kernel.hpp"
#include "sim/boot/loader.hpp"
#include "sim/machine.hpp"
#include "tests/catch.hpp"

namespace baton::sim {
namespace {

ImageFile image_for(GeometryId id) {
    ImageFile image =
        ImageFile::load(std::string(BATON_IMAGES) + "/" + std::string(geometry_of(id).name) + "/baton.img");
    image.configure({.options = kOptionScratchFloor});
    return image;
}

u64 resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    u64 size = 0;
    u64 resident = 0;
    statm >> size >> resident;
    return resident * 4096;
}

/// Pages of struct pages that the kernel really cleared, and those it was charged for.
struct Memmap {
    u64 done = 0;
    u64 charged = 0;
};
Memmap memmap_of(const Machine& machine) {
    const Kernel& k = *machine.kernel();
    Memmap m;
    m.charged = machine.ledger().work(Work::kStructPages);
    for (u64 i = 0; i < k.pages.section_count; ++i) {
        MemSection s{};
        if (machine.read(k.pages.sections + i * sizeof s, {reinterpret_cast<u8*>(&s), sizeof s}))
            m.done += s.memmap_pages * (geometry_of(machine.config().geometry).page_size() / sizeof(Page));
    }
    return m;
}

std::string quantity(u64 bytes) {
    if (bytes >= kTiB) return fmt::format("{} TiB", bytes / kTiB);
    return bytes >= kGiB ? fmt::format("{} GiB", bytes / kGiB) : fmt::format("{} MiB", bytes / kMiB);
}

void boot_once(GeometryId id, u64 ram) {
    const u64 before = resident_bytes();
    const auto start = std::chrono::steady_clock::now();
    Machine machine({.geometry = id, .ram_bytes = ram, .seed = 7});
    machine.begin_step();
    const Outcome outcome = machine.boot(image_for(id), "kho=on", {});
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    REQUIRE(outcome.kind == Outcome::Kind::kBooted);
    const Memmap m = memmap_of(machine);
    fmt::print("{:>8} {:>9} {:>9.1f} ms {:>8.1f} MiB resident {:>14} struct pages charged {:>8} written {:>10.3f} s\n",
               geometry_of(id).name, quantity(ram), ms,
               static_cast<double>(resident_bytes() - std::min(before, resident_bytes())) / (1024.0 * 1024.0),
               m.charged, m.done, static_cast<double>(machine.ledger().now_ns()) * 1e-9);
}

}  // namespace

TEST_CASE("boot by size of RAM") {
    fmt::print("time to the first command on this host; memory of this process; the last column is simulated time\n");
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_4K})
        for (const u64 ram : {512 * kMiB, 64 * kGiB, kTiB, 16 * kTiB}) boot_once(id, ram);
}

TEST_CASE("page allocator by the call") {
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_4K}) {
        Machine machine({.geometry = id, .ram_bytes = 512 * kMiB, .seed = 7});
        machine.begin_step();
        REQUIRE(machine.boot(image_for(id), "", {}).kind == Outcome::Kind::kBooted);
        const auto what = [&](std::string_view row) { return fmt::format("{}, {}", row, geometry_of(id).name); };
        constexpr u64 kFolio = static_cast<u64>(AllocKind::kFolio);
        BENCHMARK(what("two commands that do nothing")) {
            machine.begin_step();
            (void)machine.command(Op::kNop);
            return machine.command(Op::kNop).reply.error;
        };
        for (const u64 order : {0, 3, 9}) {
            BENCHMARK(what(fmt::format("alloc and free of a zeroed folio of order {}", order))) {
                machine.begin_step();
                const Outcome a = machine.command(Op::kAlloc, {kFolio, order});
                return machine.command(Op::kFree, {kFolio, a.reply.values[0], 0}).reply.error;
            };
        }
    }
}

}  // namespace baton::sim
