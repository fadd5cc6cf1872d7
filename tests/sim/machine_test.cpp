// SPDX-License-Identifier: GPL-2.0-only
// The whole machine: no side channel between kernels, nothing of the host in RAM, equal runs, exact dirty sets.
#include "sim/machine.hpp"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>

#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/machines.hpp"

namespace baton::test {
namespace {

using Kind = sim::Outcome::Kind;

sim::MachineConfig config_for(GeometryId g, u64 ram = 256 * kMiB, u8 fill = 0) {
    return {.geometry = g, .ram_bytes = ram, .seed = 7, .fill = fill};
}

// Fills the reserve_mem region, finalises and loads the next kernel: all that precedes an exec.
PhysRange prepare(Box& box) {
    const Reply oops = box.ask(Op::kReserveMemFind, {}, "oops");
    const PhysRange region{{oops.values[0]}, oops.values[1]};
    box.fill(region.start, region.size);
    box.ask(Op::kFinalise);
    box.load_next();
    return region;
}

struct TemporaryFile {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("baton-machine-" + std::to_string(getpid()) + ".sav");
    ~TemporaryFile() { std::filesystem::remove(path); }
};

const GeometryId kIsas[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K};

}  // namespace

TEST_CASE("machine: a reserved region crosses a kexec at its address with its content") {
    for (GeometryId g : kIsas) {
        CAPTURE(geometry_of(g).name);
        Box box(config_for(g));
        const PhysRange region = prepare(box);
        box->begin_step();
        REQUIRE(box->command(Op::kExec).kind == Kind::kBooted);
        REQUIRE(box->kernel()->kho.is_kho_boot == 1);
        const Reply oops = box.ask(Op::kReserveMemFind, {}, "oops");
        REQUIRE(oops.values[0] == region.start.value);
        REQUIRE(oops.values[2] == 1);
        REQUIRE(box.filled(region.start, region.size));
        REQUIRE(box->handover()->hash.size() == 32);
    }
}

TEST_CASE("machine: one byte changed during relocation is seen in the region afterwards") {
    for (GeometryId g : kIsas) {
        Box box(config_for(g));
        const PhysRange region = prepare(box);
        box->begin_step();
        box->add_action({Site::kRelocatePage, 10}, [&] {
            const u8 wrong[] = {0};
            u8 was = 0;
            REQUIRE(box->read(region.start + 12345, {&was, 1}));
            const u8 other[] = {static_cast<u8>(was ^ 1)};
            box->host_write(region.start + 12345, was == 0 ? std::span<const u8>(other) : std::span<const u8>(wrong));
        });
        REQUIRE(box->command(Op::kExec).kind == Kind::kBooted);
        REQUIRE_FALSE(box.filled(region.start, region.size));
    }
}

TEST_CASE("machine: saved at the jump and loaded elsewhere, it goes on to the hash of the uninterrupted run") {
    for (GeometryId g : kIsas) {
        CAPTURE(geometry_of(g).name);
        TemporaryFile file;
        Box box(config_for(g));
        prepare(box);
        for (const char* where : {"kexec.jump", "relocate.page", "kho.deserialise.block", "boot.done"}) {
            CAPTURE(where);
            Box whole(config_for(g));
            prepare(whole);
            whole->begin_step();
            REQUIRE(whole->command(Op::kExec).kind == Kind::kBooted);

            Box part(config_for(g));
            prepare(part);
            part->begin_step();
            sim::SiteHit at;
            for (const SiteInfo& row : kSites)
                if (row.name == where) at = {row.site, row.site == Site::kRelocatePage ? u64{7} : u64{1}};
            part->set_break(at);
            REQUIRE(part->command(Op::kExec).kind == Kind::kBreak);
            const u8 poke[] = {0x42};
            const PhysAddr victim{geometry_of(g).isa == Isa::kX86_64 ? 0x5000u : 0x40005000u};
            part->host_write(victim, poke);
            part->save(file.path, {});
            REQUIRE(part->proceed().kind == Kind::kBooted);

            sim::Machine::Loaded loaded = sim::Machine::load(file.path, {});
            REQUIRE(loaded.outcome.has_value());
            REQUIRE(loaded.outcome->kind == Kind::kBreak);
            REQUIRE(loaded.outcome->stopped_at == at);
            REQUIRE(loaded.machine->proceed().kind == Kind::kBooted);
            REQUIRE(loaded.machine->state_hash() == part->state_hash());
            REQUIRE(loaded.machine->events().site_digest() == part->events().site_digest());
            // The poked byte is the only thing that tells the broken run from the whole one.
            u8 was = 0;
            REQUIRE(whole->read(victim, {&was, 1}));
            part->host_write(victim, {&was, 1});
            REQUIRE(part->state_hash() == whole->state_hash());
        }
    }
}

TEST_CASE("machine: saved while it waits and loaded, the same commands lead to the same hash") {
    for (const auto& [g, target] : {std::pair{GeometryId::kX86_64, sim::Target::kNative},
                                    {GeometryId::kAArch64_4K, sim::Target::kNative},
                                    {GeometryId::kX86_64, sim::Target::kGuest},
                                    {GeometryId::kAArch64_4K, sim::Target::kGuest}}) {
        CAPTURE(geometry_of(g).name, target == sim::Target::kGuest);
        sim::MachineConfig config = config_for(g);
        config.target = target;
        TemporaryFile file;
        Box box(config);
        prepare(box);
        box->save(file.path, {});
        sim::Machine::Loaded loaded = sim::Machine::load(file.path, {});
        REQUIRE_FALSE(loaded.outcome.has_value());
        REQUIRE(loaded.machine->state_hash() == box->state_hash());
        for (sim::Machine* m : {box.machine.get(), loaded.machine.get()}) {
            m->begin_step();
            REQUIRE(m->command(Op::kExec).kind == Kind::kBooted);
            REQUIRE(m->command(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), 3}).reply.error == 0);
        }
        REQUIRE(loaded.machine->state_hash() == box->state_hash());
    }
}

TEST_CASE("machine: no byte of RAM holds a pointer into the host's mapping of it") {
    for (GeometryId g : kIsas) {
        Box box(config_for(g));
        prepare(box);
        box->begin_step();
        REQUIRE(box->command(Op::kExec).kind == Kind::kBooted);
        const auto base = reinterpret_cast<u64>(box->memory().view().base);
        const u64 end = base + box->memory().frame_count() * kFrameSize;
        u64 found = 0;
        const auto scan = [&] {
            found = 0;
            box->memory().ever().for_each([&](u64 frame) {
                const u8* p = box->memory().frame(frame);
                for (u64 i = 0; i + 8 <= kFrameSize; ++i) {
                    u64 word;
                    std::memcpy(&word, p + i, 8);
                    if (word >= base && word < end) ++found;
                }
            });
        };
        scan();
        REQUIRE(found == 0);
        // The scan sees one when there is one, aligned or not.
        const u64 planted = base + 4096;
        box->host_write(box->map().ram[0].start + 0x7003, {reinterpret_cast<const u8*>(&planted), 8});
        scan();
        REQUIRE(found >= 1);
    }
}

TEST_CASE("machine: every frame that changed is in the dirty set") {
    for (GeometryId g : kIsas) {
        CAPTURE(geometry_of(g).name);
        Box box(config_for(g, 64 * kMiB), "kho=on kho_scratch=8M,8M,8M reserve_mem=1M:1M:oops");
        const PhysRange all = box->map().ram.back();
        const std::vector<u8> before(box->memory().bytes(all), box->memory().bytes(all) + all.size);
        sim::DirtyClient dirty(box->memory());
        dirty.clear();
        box->memory().collect();
        dirty.clear();
        for (u64 i = 0; i < 40; ++i) {
            const Reply page = box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), i % 4});
            box.ask(Op::kPreserveFolio, {page.values[0]});
        }
        box.ask(Op::kFinalise);
        box.load_next("kho=on reserve_mem=1M:1M:oops");
        box->begin_step();
        REQUIRE(box->command(Op::kExec).kind == Kind::kBooted);
        const sim::FrameSet& marked = dirty.frames();
        u64 changed = 0;
        u64 missed = 0;
        for (u64 f = 0; f < all.size / kFrameSize; ++f) {
            if (std::memcmp(before.data() + f * kFrameSize,
                            box->memory().bytes({all.start + f * kFrameSize, kFrameSize}), kFrameSize) == 0)
                continue;
            ++changed;
            if (!marked.contains((all.start.value >> kFrameShift) + f)) ++missed;
        }
        REQUIRE(changed > 100);
        REQUIRE(missed == 0);
    }
}

TEST_CASE("machine: what RAM held before power-on changes no schedule point and no charge") {
    for (GeometryId g : kIsas) {
        CAPTURE(geometry_of(g).name);
        sim::Hash128 digest;
        sim::Ledger::State ledger;
        for (u8 fill : {u8{0}, u8{0xa5}}) {
            Box box(config_for(g, 128 * kMiB, fill), "kho=on kho_scratch=8M,24M,8M reserve_mem=4M:4M:oops");
            const Reply page = box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kPages), 77});
            box.ask(Op::kPreservePages, {page.values[0], 77});
            prepare(box);
            box->begin_step();
            REQUIRE(box->command(Op::kExec).kind == Kind::kBooted);
            REQUIRE(box->kernel()->kho.is_kho_boot == 1);
            box.ask(Op::kRestorePages, {page.values[0], 77});
            if (fill == 0) {
                digest = box->events().site_digest();
                ledger = box->ledger().snapshot();
            } else {
                REQUIRE(box->events().site_digest() == digest);
                REQUIRE(box->ledger().snapshot() == ledger);
            }
        }
    }
}

TEST_CASE("machine: equal configurations give equal hashes, another seed another one") {
    for (GeometryId g : kIsas) {
        sim::Hash128 hashes[3];
        for (u32 i = 0; i < 3; ++i) {
            sim::MachineConfig config = config_for(g);
            if (i == 2) config.seed = 8;
            Box box(config);
            prepare(box);
            box->begin_step();
            REQUIRE(box->command(Op::kExec).kind == Kind::kBooted);
            hashes[i] = box->state_hash();
        }
        REQUIRE(hashes[0] == hashes[1]);
        REQUIRE(hashes[0] != hashes[2]);
    }
}

TEST_CASE("machine: a step that spends its budget is a hang, at the same place every time") {
    sim::SiteCounts counts[2];
    for (sim::SiteCounts& c : counts) {
        sim::MachineConfig config = config_for(GeometryId::kX86_64);
        config.budget.calls = 500;
        sim::Machine machine(config);
        machine.begin_step();
        sim::ImageFile image = image_of(config.geometry);
        image.configure({});
        const sim::Outcome o = machine.boot(image, "kho=on", {});
        REQUIRE(o.kind == Kind::kFault);
        REQUIRE(o.fault.kind == sim::Fault::Kind::kHang);
        c = machine.events().counts();
    }
    REQUIRE(counts[0] == counts[1]);
}

TEST_CASE("machine: going back to a moment, and on from there, is as if nothing had happened since") {
    for (GeometryId g : kIsas)
        for (const sim::Target target : {sim::Target::kNative, sim::Target::kGuest}) {
            CAPTURE(geometry_of(g).name, target == sim::Target::kGuest);
            sim::MachineConfig config = config_for(g);
            config.target = target;
            Box box(config);
            // Three stretches, the second through a kexec; their hashes, and the site sequence so far.
            const std::function<void()> stretches[] = {
                [&] { prepare(box); },
                [&] {
                    box->begin_step();
                    REQUIRE(box->command(Op::kExec).kind == Kind::kBooted);
                },
                [&] { box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kPages), 77}); },
            };
            std::vector<sim::Machine::Moment> moments{box->moment()};
            std::vector<std::pair<sim::Hash128, sim::Hash128>> seen;
            const auto now = [&] { return std::pair{box->state_hash(), box->events().site_digest()}; };
            seen.push_back(now());
            for (const auto& stretch : stretches) {
                stretch();
                moments.push_back(box->moment());
                seen.push_back(now());
            }
            for (const std::size_t to : {2u, 0u, 1u, 3u, 1u, 2u, 0u}) {
                CAPTURE(to);
                box->restore(moments[to]);
                REQUIRE(now() == seen[to]);
                for (std::size_t i = to; i < std::size(stretches); ++i) {
                    stretches[i]();
                    REQUIRE(now() == seen[i + 1]);
                }
            }
        }
}

TEST_CASE("machine: a guest that died can go back, and dies the same way again") {
    for (GeometryId g : kIsas) {
        CAPTURE(geometry_of(g).name);
        sim::MachineConfig config = config_for(g);
        config.target = sim::Target::kGuest;
        Box box(config);
        const sim::Machine::Moment before = box->moment();
        const sim::Hash128 hash = box->state_hash();
        const Kernel& k = *box->kernel();
        const std::vector<u8> noise(k.header.text_size, geometry_of(g).isa == Isa::kX86_64 ? u8{0x06} : u8{0});
        const PhysAddr text = k.image + k.header.text_offset;
        sim::Fault faults[2];
        for (sim::Fault& f : faults) {
            REQUIRE(box->host_write(text, noise));
            const sim::Outcome o = box->command(Op::kFinalise);
            REQUIRE(o.kind == Kind::kFault);
            f = o.fault;
            box->restore(before);
            REQUIRE(box->state_hash() == hash);
        }
        CHECK(faults[0].kind == sim::Fault::Kind::kGuestException);
        CHECK(faults[0] == faults[1]);
        box.ask(Op::kFinalise);
    }
}

}  // namespace baton::test
