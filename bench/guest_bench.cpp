// SPDX-License-Identifier: GPL-2.0-only
// What watching a guest costs, against Unicorn alone on the same image to the same RAM; what going back costs; and how
// fast the machine code between two kernels is.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "bench/bare_guest.hpp"
#include "model/kernel.hpp"
#include "scenarios/engine/engine.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/guest/runner.hpp"
#include "sim/machine.hpp"
#include "sim/monitor.hpp"
#include "tests/catch.hpp"

namespace baton::bench {
namespace {

using Clock = std::chrono::steady_clock;
using sim::Machine;
using sim::Target;

inline constexpr u64 kSeed = 7;
inline constexpr u64 kRam = 512 * kMiB;
inline constexpr std::string_view kCommandLine = "kho=on kho_scratch=16M,64M,16M reserve_mem=4M:4M:oops";
inline constexpr std::string_view kRoomForInitrd = "kho=on kho_scratch=64M,128M,16M";  // 24 MiB beside the kernel
constexpr GeometryId kIsas[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K};

sim::ImageFile image_of(GeometryId g) {
    return sim::ImageFile::load(std::filesystem::path(BATON_IMAGES) / geometry_of(g).name / "baton.img");
}

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// A machine by the commands that BareGuest has, so that one workload drives both.
class Watched {
public:
    Watched(GeometryId g, Target target)
        : machine_({.geometry = g, .target = target, .ram_bytes = kRam, .seed = kSeed}) {
        machine_.begin_step();
    }
    void boot(const sim::ImageFile& image, std::string_view command_line) {
        if (machine_.boot(image, command_line, {}).kind != sim::Outcome::Kind::kBooted)
            throw std::runtime_error("the benchmark's machine does not boot");
    }
    Reply command(Op op, std::initializer_list<u64> args = {}, std::string_view text = {}) {
        const sim::Outcome o = machine_.command(op, args, text);
        if (o.kind != sim::Outcome::Kind::kReply) throw std::runtime_error("the benchmark's kernel is gone");
        return o.reply;
    }
    bool read(PhysAddr a, std::span<u8> bytes) const { return machine_.read(a, bytes); }
    bool host_write(PhysAddr a, std::span<const u8> bytes) { return machine_.host_write(a, bytes); }
    std::string ram_hash() {
        sim::PhysicalMemory& memory = machine_.memory();
        for (const PhysRange& r : memory.ranges()) memory.mark_ram(r);
        sim::RamHash hash(memory);
        return hash.value().hex();
    }
    Machine& machine() { return machine_; }

private:
    Machine machine_;
};

Reply must(const Reply& reply) {
    if (reply.error != 0) throw std::runtime_error("a command of the benchmark failed");
    return reply;
}

template <class Guest>
void load_kernel(Guest& g, const sim::ImageFile& image, u64 page) {
    const std::span<const u8> bytes = image.bytes();
    const Reply file = must(g.command(Op::kFileCreate, {bytes.size()}));
    for (u64 i = 0; i * page < bytes.size(); ++i) {
        u64 data = 0;
        g.read({file.values[0] + i * 8}, {reinterpret_cast<u8*>(&data), 8});
        g.host_write({data}, bytes.subspan(i * page, std::min<u64>(page, bytes.size() - i * page)));
    }
    must(g.command(Op::kKexecFileLoad, {file.values[1], kexec::kNoFile}, kCommandLine));
    must(g.command(Op::kFileFree, {file.values[1]}));
}

/// A boot, and what a kernel does between two handovers, many times.
template <class Guest>
void work(Guest& g, const sim::ImageFile& image, u32 rounds) {
    g.boot(image, kCommandLine);
    const u64 page = geometry_of(image.geometry()).page_size();
    for (u32 i = 0; i < rounds; ++i) {
        const Reply pages = must(g.command(Op::kAlloc, {static_cast<u64>(AllocKind::kPages), 77}));
        must(g.command(Op::kPreservePages, {pages.values[0], 77}));
        load_kernel(g, image, page);
        must(g.command(Op::kFinalise));
        must(g.command(Op::kKexecUnload));
        must(g.command(Op::kAbort));
    }
}

struct Timed {
    double seconds = 0;
    std::string hash;
};

template <class Guest>
Timed timed(Guest&& g, const sim::ImageFile& image, u32 rounds) {
    const Clock::time_point begin = Clock::now();
    work(g, image, rounds);
    return {seconds_since(begin), g.ram_hash()};
}

}  // namespace

// Ratios are of runs next to each other; the median of many says more on a busy host than any mean of times.
TEST_CASE("guest speed") {
    constexpr u32 kRounds = 40;
    constexpr int kPairs = 9;
    for (const GeometryId id : kIsas) {
        const sim::ImageFile image = image_of(id);
        BareGuest counted(id, kRam, kSeed, BareGuest::Hook::kInstructions);
        work(counted, image, kRounds);
        const double instructions = static_cast<double>(counted.instructions());
        std::vector<double> alone, ratio, hooked;
        for (int i = 0; i < kPairs; ++i) {
            const Timed bare = timed(BareGuest(id, kRam, kSeed), image, kRounds);
            const Timed ours = timed(Watched(id, Target::kGuest), image, kRounds);
            const Timed blocks = timed(BareGuest(id, kRam, kSeed, BareGuest::Hook::kBlocks), image, kRounds);
            REQUIRE(ours.hash == bare.hash);
            REQUIRE(blocks.hash == bare.hash);
            alone.push_back(bare.seconds);
            ratio.push_back(bare.seconds / ours.seconds);
            hooked.push_back(bare.seconds / blocks.seconds);
        }
        const auto median = [](std::vector<double> v) {
            std::ranges::nth_element(v, v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2));
            return v[v.size() / 2];
        };
        fmt::print(
            "{}: {:.1f} million instructions; bare {:.0f} MIPS; machine / bare {:.2f}; block hook / bare {:.2f}\n",
            geometry_of(id).name, instructions / 1e6, instructions / median(alone) / 1e6, median(ratio),
            median(hooked));
    }
}

TEST_CASE("machine code speed") {
    // One handover with an initrd, timed at the schedule points of the way.
    class Stopwatch final : public sim::Monitor {
    public:
        bool at(Site site, u64, u64 arg1) override {
            const Clock::time_point now = Clock::now();
            if (site == Site::kRelocatePage) ++pages;
            if (site == Site::kPurgatoryRegion) hashed += arg1;
            first.try_emplace(site, now);
            last[site] = now;
            return false;
        }
        void stopped(Machine&, const sim::Stop&) override {}
        double between(Site from, Site to) { return std::chrono::duration<double>(last[to] - first[from]).count(); }
        std::map<Site, Clock::time_point> first, last;
        u64 pages = 0;
        u64 hashed = 0;
    };
    for (const GeometryId id : kIsas)
        for (const Target target : {Target::kNative, Target::kGuest}) {
            const std::string text = fmt::format(
                "title = \"bench\"\nmachine = {{ arch = \"{}\", seed = 7 }}\n[kernel.a]\ncmdline = \"{}\"\n"
                "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n"
                "[[step]]\ndo = \"kexec_file_load\"\nkernel = \"a\"\ninitrd = \"24M\"\n[[step]]\ndo = \"exec\"\n",
                geometry_of(id).name, kRoomForInitrd);
            const scenarios::Parsed parsed = scenarios::parse_text(text, "bench");
            if (!parsed.scenario) throw std::runtime_error("the benchmark's scenario is wrong");
            Stopwatch watch;
            scenarios::Cell cell = scenarios::expand(parsed.scenario->machine)[0];
            cell.target = target;
            const scenarios::RunResult r =
                scenarios::run_cell(*parsed.scenario, cell, {.image_folder = BATON_IMAGES, .monitor = &watch});
            if (r.verdict != scenarios::Verdict::kPass)
                throw std::runtime_error(fmt::format("the benchmark's run failed: {}{}", r.message,
                                                     r.findings.empty() ? "" : r.findings[0].what));
            const double moved = static_cast<double>(watch.pages * geometry_of(id).page_size()) / 1e6;
            fmt::print("{}, {}: relocation {:.0f} MB/s ({:.1f} MB)", geometry_of(id).name, scenarios::info(target).name,
                       moved / watch.between(Site::kRelocateStart, Site::kRelocateDone), moved);
            if (watch.hashed != 0)
                fmt::print(", digest {:.0f} MB/s ({:.1f} MB)",
                           static_cast<double>(watch.hashed) / 1e6 /
                               watch.between(Site::kPurgatoryStart, Site::kPurgatoryDone),
                           static_cast<double>(watch.hashed) / 1e6);
            fmt::print("\n");
        }
}

TEST_CASE("going back") {
    for (const GeometryId id : kIsas)
        for (const Target target : {Target::kNative, Target::kGuest}) {
            const std::string what = fmt::format(", {}, {}", geometry_of(id).name, scenarios::info(target).name);
            const sim::ImageFile image = image_of(id);
            Watched w(id, target);
            work(w, image, 1);
            Machine& m = w.machine();
            const Machine::Moment base = m.moment();
            const PhysAddr some{geometry_of(id).isa == Isa::kX86_64 ? 64 * kMiB : kGiB + 64 * kMiB};
            u64 n = 0;
            const auto dirty = [&] {
                ++n;
                for (u64 i = 0; i < 50; ++i) m.host_write(some + i * kFrameSize, {reinterpret_cast<const u8*>(&n), 8});
            };
            BENCHMARK("restore, nothing was written" + what) { m.restore(base); };
            BENCHMARK("write 50 frames" + what) { dirty(); };
            BENCHMARK("write 50 frames, restore" + what) {
                dirty();
                m.restore(base);
            };
            // The window of an explorer: a command from a boundary, and back.
            BENCHMARK("restore, allocate 77 pages" + what) {
                m.restore(base);
                return w.command(Op::kAlloc, {static_cast<u64>(AllocKind::kPages), 77});
            };
            BENCHMARK("restore, finalise" + what) {
                m.restore(base);
                return w.command(Op::kFinalise);
            };
            m.restore(base);
            load_kernel(w, image, geometry_of(id).page_size());
            must(w.command(Op::kFinalise));
            const Machine::Moment loaded = m.moment();
            BENCHMARK("restore, exec to the first command of the next kernel" + what) {
                m.restore(loaded);
                return m.command(Op::kExec).kind;
            };
        }
}

}  // namespace baton::bench
