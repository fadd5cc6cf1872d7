// SPDX-License-Identifier: GPL-2.0-only
// A whole machine with devices: drivers and devices do what they should, and going back, saving and the target make no
// difference to any of it.
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "model/kernel.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/support/machines.hpp"

namespace baton::test {
namespace {

using Kind = sim::Outcome::Kind;
using device::Kind::kAssigned;
using device::Kind::kDmaEngine;
using device::Kind::kNic;
constexpr u32 kEngineSlot = 0;
constexpr u32 kNicSlot = 1;
constexpr u32 kAssignedSlot = 2;
constexpr u64 kRhythm = 64;  // bytes of a write, without end
constexpr const char* kSmall = "kho=on kho_scratch=16M,32M,16M";
const GeometryId kIsas[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K};

sim::MachineConfig config_for(GeometryId g, sim::Target target = sim::Target::kNative,
                              sim::Pace pace = sim::Pace::kSchedule) {
    return {.geometry = g,
            .target = target,
            .ram_bytes = 256 * kMiB,
            .seed = 7,
            .devices = {{.name = "dma0", .kind = kDmaEngine, .pace = pace},
                        {.name = "nic0", .kind = kNic, .pace = pace},
                        {.name = "vf0", .kind = kAssigned, .pace = pace}}};
}

i32 verb(Box& box, DeviceVerb v, u64 slot, u64 a = 0, u64 b = 0, u64 c = 0, u64 d = 0) {
    const sim::Outcome o = box->command(Op::kDevice, {static_cast<u64>(v), slot, a, b, c, d});
    REQUIRE(o.kind == Kind::kReply);
    return o.reply.error;
}

/// Turns at the first register access of a step, and a step that has one.
void turns(Box& box, u32 slot, u32 times, sim::TurnKind kind = sim::TurnKind::kBoth) {
    box->begin_step();
    box->add_turn({.at = {Site::kMmio, 1}, .slot = slot, .kind = kind, .times = times});
    REQUIRE(verb(box, DeviceVerb::kResult, slot) == 0);
    box->begin_step();
}

u64 word(Box& box, PhysAddr a) {
    u64 w = 0;
    REQUIRE(box->read(a, {reinterpret_cast<u8*>(&w), sizeof(w)}));
    return w;
}

/// What can be told apart of forbidden writes, without the time.
std::vector<std::string> stories(const sim::Machine& m) {
    std::vector<std::string> all;
    for (const sim::ForbiddenWrite& w : m.forbidden()) all.push_back(m.story(w) + " x" + std::to_string(w.count));
    return all;
}

struct TemporaryFile {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("baton-devices-" + std::to_string(getpid()) + ".sav");
    ~TemporaryFile() { std::filesystem::remove(path); }
};

}  // namespace

TEST_CASE("devices: drivers find them, set them going on memory of their own, and stop them") {
    for (const GeometryId g : kIsas)
        for (const auto target : {sim::Target::kNative, sim::Target::kGuest}) {
            CAPTURE(geometry_of(g).name, target == sim::Target::kGuest);
            Box box(config_for(g, target), kSmall);
            const DriverState& drivers = box->kernel()->drivers;
            REQUIRE(drivers.slots[kEngineSlot].kind == static_cast<u32>(kDmaEngine));
            REQUIRE(drivers.slots[kNicSlot].kind == static_cast<u32>(kNic));
            REQUIRE(drivers.slots[kAssignedSlot].kind == static_cast<u32>(kAssigned));
            REQUIRE(drivers.slots[3].kind == 0);
            REQUIRE(box->bus().bus_master(kEngineSlot));
            REQUIRE(verb(box, DeviceVerb::kStartEngine, kEngineSlot, kOwnBuffer, 4096, kRhythm, 1000) == 0);
            REQUIRE(verb(box, DeviceVerb::kStartNic, kNicSlot, 8, 2048, 1000) == 0);
            const PhysAddr buffer = drivers.slots[kEngineSlot].buffer[0];
            const PhysAddr packets = drivers.slots[kNicSlot].buffer[0];
            REQUIRE(box->ownership().at(buffer) == Owner::kDma);
            REQUIRE(box->ownership().at(drivers.slots[kNicSlot].ring) == Owner::kDma);
            turns(box, kEngineSlot, 3);
            turns(box, kNicSlot, 9);
            REQUIRE(box->forbidden().empty());
            REQUIRE(word(box, buffer + 128) == buffer.value + 16);
            REQUIRE(word(box, packets) >> 40 == 0x4e4943);
            REQUIRE(box->bus().arrived(kNicSlot) == 9);
            REQUIRE(box->may_be_written_by_device(buffer.value >> kFrameShift));

            REQUIRE(verb(box, DeviceVerb::kStop, kEngineSlot) == 0);
            REQUIRE(verb(box, DeviceVerb::kStop, kNicSlot) == 0);
            REQUIRE(box->ownership().at(buffer) == Owner::kFree);
            REQUIRE(drivers.mapping_count == 0);
            const u64 arrived = box->bus().arrived(kNicSlot);
            turns(box, kEngineSlot, 3);
            turns(box, kNicSlot, 3);
            REQUIRE(box->bus().arrived(kNicSlot) == arrived);
            REQUIRE(box->forbidden().empty());
        }
}

TEST_CASE("devices: a NIC that was stopped starts again at the beginning of its new ring") {
    Box box(config_for(GeometryId::kX86_64), kSmall);
    for (const u64 entries : {16, 4, 64, 2}) {
        CAPTURE(entries);
        REQUIRE(verb(box, DeviceVerb::kStartNic, kNicSlot, entries, 512, 1000) == 0);
        const PhysAddr first = box->kernel()->drivers.slots[kNicSlot].buffer[0];
        turns(box, kNicSlot, 3);
        CHECK(word(box, first) >> 40 == 0x4e4943);
        REQUIRE(verb(box, DeviceVerb::kStop, kNicSlot) == 0);
        CHECK(box->forbidden().empty());
    }
}

TEST_CASE("devices: what a driver cannot do is refused, and leaves nothing behind") {
    struct Row {
        std::string_view what;
        DeviceVerb verb;
        u64 slot, a, b, c, d;
        Errno error;
    };
    constexpr u64 kOdd = 4096 + 4;
    const Row rows[] = {
        {"no such slot", DeviceVerb::kStop, 16, 0, 0, 0, 0, Errno::kENODEV},
        {"an empty slot", DeviceVerb::kStop, 5, 0, 0, 0, 0, Errno::kENODEV},
        {"no such verb", DeviceVerb::kCount, 0, 0, 0, 0, 0, Errno::kEINVAL},
        {"not running", DeviceVerb::kStop, kEngineSlot, 0, 0, 0, 0, Errno::kEINVAL},
        {"a NIC is no engine", DeviceVerb::kStartEngine, kNicSlot, 0, 4096, kRhythm, 0, Errno::kEINVAL},
        {"an engine is no NIC", DeviceVerb::kStartNic, kEngineSlot, 8, 2048, 0, 0, Errno::kEINVAL},
        {"bytes of half a word", DeviceVerb::kStartEngine, kEngineSlot, kOwnBuffer, kOdd, kRhythm, 0, Errno::kEINVAL},
        {"chunk of half a word", DeviceVerb::kStartEngine, kEngineSlot, kOwnBuffer, 4096, 12, 0, Errno::kEINVAL},
        {"no bytes", DeviceVerb::kStartEngine, kEngineSlot, kOwnBuffer, 0, kRhythm, 0, Errno::kEINVAL},
        {"more memory than there is", DeviceVerb::kStartEngine, kEngineSlot, kOwnBuffer, kGiB, kRhythm, 0,
         Errno::kENOMEM},
        {"one descriptor", DeviceVerb::kStartNic, kNicSlot, 1, 2048, 0, 0, Errno::kEINVAL},
        {"too many", DeviceVerb::kStartNic, kNicSlot, 65, 2048, 0, 0, Errno::kEINVAL},
        {"odd buffers", DeviceVerb::kStartNic, kNicSlot, 8, 100, 0, 0, Errno::kEINVAL},
        {"no buffers", DeviceVerb::kStartNic, kNicSlot, 8, 0, 0, 0, Errno::kEINVAL},
        {"too much for buffers", DeviceVerb::kStartNic, kNicSlot, 64, kMiB, 0, 0, Errno::kOk},
        {"busy", DeviceVerb::kStartNic, kNicSlot, 8, 2048, 0, 0, Errno::kEBUSY},
        {"nobody's memory", DeviceVerb::kMapUser, kAssignedSlot, 64 * kMiB, 4096, 64 * kMiB, 0, Errno::kEFAULT},
        {"half a page", DeviceVerb::kMapUser, kAssignedSlot, 64 * kMiB, 100, 64 * kMiB, 0, Errno::kEINVAL},
        {"without an IOMMU", DeviceVerb::kMapUser, kAssignedSlot, 64 * kMiB, 4096, 0, 0, Errno::kEINVAL},
        {"never mapped", DeviceVerb::kUnmapUser, kAssignedSlot, 64 * kMiB, 0, 0, 0, Errno::kEINVAL},
        {"no program", DeviceVerb::kRunGuest, kAssignedSlot, 0x1000, kOdd, kRhythm, 0, Errno::kEINVAL},
        {"a guest's device", DeviceVerb::kStop, kAssignedSlot, 0, 0, 0, 0, Errno::kEINVAL},
    };
    for (const GeometryId g : kIsas) {
        Box box(config_for(g), kSmall);
        for (const Row& row : rows) {
            CAPTURE(geometry_of(g).name, row.what);
            const Reply before = box.ask(Op::kQuery, {static_cast<u64>(Query::kFreePages)});
            const u64 mappings = box->kernel()->drivers.mapping_count;
            CHECK(verb(box, row.verb, row.slot, row.a, row.b, row.c, row.d) == static_cast<i32>(row.error));
            if (row.error == Errno::kOk) continue;
            const Reply after = box.ask(Op::kQuery, {static_cast<u64>(Query::kFreePages)});
            CHECK(after.values[0] == before.values[0]);
            CHECK(box->kernel()->drivers.mapping_count == mappings);
        }
        CHECK(box->kernel()->drivers.slots[kAssignedSlot].running == 0);
    }
}

TEST_CASE("devices: memory of a virtual machine is pinned while it is mapped, and no longer") {
    Box box(config_for(GeometryId::kX86_64), "kho=on kho_scratch=16M,32M,16M iommu=on");
    const PhysAddr a{box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), 2}).values[0]};
    const auto flags = [&] { return box.ask(Op::kQuery, {static_cast<u64>(Query::kPageState), a.value}).values[2]; };
    REQUIRE((flags() & kPagePinned) == 0);
    REQUIRE(verb(box, DeviceVerb::kMapUser, kAssignedSlot, a.value, 4 * 4096, 0x40000000) == 0);
    REQUIRE((flags() & kPagePinned) != 0);
    REQUIRE(box->bus().iommu().state().entries.size() == 1);
    REQUIRE(verb(box, DeviceVerb::kRunGuest, kAssignedSlot, 0x40000000, 4 * 4096, kRhythm) == 0);
    turns(box, kAssignedSlot, 2);
    CHECK(word(box, a + 64) == 0x40000008);
    CHECK(box->device_log(kAssignedSlot).size() == 16);
    CHECK(box->forbidden().empty());
    REQUIRE(verb(box, DeviceVerb::kHaltGuest, kAssignedSlot) == 0);
    REQUIRE(verb(box, DeviceVerb::kUnmapUser, kAssignedSlot, a.value) == 0);
    REQUIRE((flags() & kPagePinned) == 0);
    REQUIRE(box->bus().iommu().state().entries.empty());

    // A virtual machine has more pages than there are mappings: the last is refused, and not pinned.
    PhysAddr last{};
    i32 error = 0;
    for (u32 i = 0; error == 0 && i <= kDmaMappingsMax; ++i) {
        last = {box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), 0}).values[0]};
        error = verb(box, DeviceVerb::kMapUser, kAssignedSlot, last.value, 4096, u64{i} << 12);
    }
    REQUIRE(error == static_cast<i32>(Errno::kENOSPC));
    const Reply state = box.ask(Op::kQuery, {static_cast<u64>(Query::kPageState), last.value});
    CHECK((state.values[2] & kPagePinned) == 0);
}

TEST_CASE("devices: a write to memory that nobody mapped is forbidden, and said with all there is to say") {
    Box box(config_for(GeometryId::kX86_64), kSmall);
    const PhysAddr victim{box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), 0}).values[0]};
    REQUIRE(verb(box, DeviceVerb::kStartEngine, kEngineSlot, victim.value, 4096, kRhythm, 1000) == 0);
    turns(box, kEngineSlot, 5);
    REQUIRE(box->forbidden().size() == 1);
    const sim::ForbiddenWrite& w = box->forbidden()[0];
    CHECK(w.count == 5);  // of one kind
    CHECK(w.slot == kEngineSlot);
    CHECK(w.range == PhysRange{victim, 64});
    CHECK(w.owner == Owner::kUser);
    CHECK_FALSE(w.race());
    const std::string story = box->story(w);
    for (const char* part : {"dma0", "dma_engine", "64 bytes", "at mmio#1", "P13"}) {
        CAPTURE(story, part);
        CHECK(story.find(part) != std::string::npos);
    }
}

TEST_CASE("devices: addresses without memory are written by nobody") {
    Box box(config_for(GeometryId::kX86_64), kSmall);
    for (const u64 address : {u64{1} << 45, 256 * kMiB, u64{0xfee00000}, ~u64{0x1fff}}) {
        REQUIRE(verb(box, DeviceVerb::kStartEngine, kEngineSlot, address, 4096, kRhythm, 1000) == 0);
        turns(box, kEngineSlot, 2);
        CHECK(box->forbidden().empty());
        REQUIRE(verb(box, DeviceVerb::kStop, kEngineSlot) == 0);
    }
}

namespace {

/// One random thing that a user can ask of drivers, and turns of devices on the way.
void fuzz_step(Box& box, sim::Random& random) {
    box->begin_step();
    for (u64 n = random.bounded(4); n > 0; --n)
        box->add_turn({.at = {random.bounded(2) != 0 ? Site::kMmio : Site::kDmaMap, 1 + random.bounded(6)},
                       .slot = static_cast<u32>(random.bounded(3)),
                       .kind = static_cast<sim::TurnKind>(random.bounded(3)),
                       .times = 1 + static_cast<u32>(random.bounded(3))});
    const u64 period = random.bounded(50'000);
    switch (random.bounded(9)) {
        case 0:
            verb(box, DeviceVerb::kStartEngine, kEngineSlot, kOwnBuffer, 8 + random.bounded(20'000) / 8 * 8, 64,
                 period);
            break;
        case 1: verb(box, DeviceVerb::kStartNic, kNicSlot, random.bounded(20), 8 * random.bounded(600), period); break;
        case 2: verb(box, DeviceVerb::kStop, random.bounded(3)); break;
        case 3: {
            const Reply r = box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), random.bounded(3)});
            const u64 bytes = 4096 << random.bounded(3);
            verb(box, DeviceVerb::kMapUser, kAssignedSlot, r.values[0], bytes, r.values[0]);
            verb(box, DeviceVerb::kRunGuest, kAssignedSlot, r.values[0], bytes, 8 * random.bounded(40), period);
            break;
        }
        case 4: verb(box, DeviceVerb::kHaltGuest, kAssignedSlot); break;
        case 5: {
            const auto& all = box->dma().mappings();
            const u64 at = all.empty() ? 0 : all[random.bounded(all.size())].range.start.value;
            verb(box, DeviceVerb::kUnmapUser, kAssignedSlot, at);
            break;
        }
        case 6: verb(box, DeviceVerb::kKeep, random.bounded(3)); break;
        default: verb(box, DeviceVerb::kResult, random.bounded(3)); break;
    }
}

/// Over a kexec, with turns on its way; it may end badly, if a device hits what is needed.
Kind fuzz_exec(Box& box, sim::Random& random) {
    constexpr Site kSites[] = {Site::kDeviceShutdown, Site::kRelocatePage, Site::kKernelEntry, Site::kBootDone,
                               Site::kDeviceProbe};
    box->begin_step();
    for (int n = 0; n < 12; ++n)
        box->add_turn({.at = {kSites[random.bounded(std::size(kSites))], 1 + random.bounded(8)},
                       .slot = static_cast<u32>(random.bounded(3)),
                       .kind = static_cast<sim::TurnKind>(random.bounded(3)),
                       .times = 1 + static_cast<u32>(random.bounded(3))});
    return box->command(Op::kExec).kind;
}

struct Ending {
    Kind kind = Kind::kFault;
    sim::Hash128 hash;
    std::vector<std::string> forbidden;
    bool operator==(const Ending&) const = default;
};

Ending fuzz_rest(Box& box, sim::Random random, int steps) {
    for (int i = 0; i < steps; ++i) fuzz_step(box, random);
    Ending e;
    e.kind = fuzz_exec(box, random);
    e.hash = box->state_hash();
    e.forbidden = stories(*box);
    return e;
}

}  // namespace

TEST_CASE("devices: going back to a moment goes on as it did, whatever devices were doing") {
    u64 races = 0;
    for (u64 seed = 1; seed <= 24; ++seed) {
        const GeometryId g = kIsas[seed % 2];
        const auto pace = seed % 3 == 0 ? sim::Pace::kTime : sim::Pace::kSchedule;
        const auto target = seed > 18 ? sim::Target::kGuest : sim::Target::kNative;
        CAPTURE(seed, geometry_of(g).name);
        Box box(config_for(g, target, pace), kSmall);
        box.load_next(kSmall);
        sim::Random random(seed, 0);
        for (int i = 0; i < 12; ++i) fuzz_step(box, random);
        const sim::Machine::Moment moment = box->moment();
        const sim::Hash128 hash = box->state_hash();
        const std::vector<std::string> forbidden = stories(*box);
        const Ending first = fuzz_rest(box, random, 12);
        races += first.forbidden.size();
        box->restore(moment);
        REQUIRE(box->state_hash() == hash);
        REQUIRE(stories(*box) == forbidden);
        REQUIRE(fuzz_rest(box, random, 12) == first);
    }
    CHECK(races > 0);  // else the turns hit nothing
}

TEST_CASE("devices: native and guest kernels drive them alike, down to the forbidden writes") {
    for (u64 seed = 31; seed < 39; ++seed) {
        const GeometryId g = kIsas[seed % 2];
        const auto pace = seed % 3 == 0 ? sim::Pace::kTime : sim::Pace::kSchedule;
        CAPTURE(seed, geometry_of(g).name);
        const auto run = [&](sim::Target target) {
            Box box(config_for(g, target, pace), kSmall);
            box.load_next(kSmall);
            sim::Random random(seed, 0);
            for (int i = 0; i < 16; ++i) fuzz_step(box, random);
            std::vector<u8> devices;
            sim::ByteWriter to;
            box->bus().save(to);
            devices = to.bytes();
            const Kind kind = fuzz_exec(box, random);
            return std::tuple(devices, kind, stories(*box));
        };
        const auto native = run(sim::Target::kNative);
        const auto guest = run(sim::Target::kGuest);
        CHECK(std::get<0>(native) == std::get<0>(guest));
        CHECK(std::get<2>(native) == std::get<2>(guest));
        CHECK(std::get<1>(native) == std::get<1>(guest));
    }
}

TEST_CASE("devices: saved at a break with writes on the way and turns to come, it goes on to the same hash") {
    for (const GeometryId g : kIsas)
        for (const auto target : {sim::Target::kNative, sim::Target::kGuest}) {
            CAPTURE(geometry_of(g).name, target == sim::Target::kGuest);
            TemporaryFile file;
            Box box(config_for(g, target), kSmall);
            REQUIRE(verb(box, DeviceVerb::kStartEngine, kEngineSlot, kOwnBuffer, 8192, kRhythm, 1000) == 0);
            REQUIRE(verb(box, DeviceVerb::kStartNic, kNicSlot, 16, 2048, 1000) == 0);
            REQUIRE(verb(box, DeviceVerb::kKeep, kEngineSlot) == 0);
            box.load_next(kSmall);
            turns(box, kEngineSlot, 2, sim::TurnKind::kPost);
            turns(box, kNicSlot, 3, sim::TurnKind::kPost);
            box->begin_step();
            const auto turn = [&](Site site, u64 nth, u32 slot, sim::TurnKind kind) {
                box->add_turn({.at = {site, nth}, .slot = slot, .kind = kind});
            };
            turn(Site::kRelocatePage, 3, kEngineSlot, sim::TurnKind::kBoth);
            turn(Site::kRelocatePage, 9, kEngineSlot, sim::TurnKind::kBoth);
            turn(Site::kRelocatePage, 11, kEngineSlot, sim::TurnKind::kPost);
            turn(Site::kBootDone, 1, kEngineSlot, sim::TurnKind::kDeliver);
            box->set_break({Site::kRelocatePage, 7});
            REQUIRE(box->command(Op::kExec).kind == Kind::kBreak);
            box->save(file.path, {});
            REQUIRE(box->proceed().kind == Kind::kBooted);
            REQUIRE(box->turns_taken() == 4);

            sim::Machine::Loaded loaded = sim::Machine::load(file.path, {});
            REQUIRE(loaded.outcome.has_value());
            REQUIRE(loaded.outcome->kind == Kind::kBreak);
            REQUIRE(loaded.machine->proceed().kind == Kind::kBooted);
            REQUIRE(loaded.machine->turns_taken() == 4);
            CHECK(loaded.machine->state_hash() == box->state_hash());
            CHECK(loaded.machine->dma().mappings() == box->dma().mappings());
            CHECK(stories(*loaded.machine) == stories(*box));
            CHECK_FALSE(box->forbidden().empty());

            // And while it waits.
            box->save(file.path, {});
            sim::Machine::Loaded waiting = sim::Machine::load(file.path, {});
            CHECK(waiting.machine->state_hash() == box->state_hash());
            for (sim::Machine* m : {box.machine.get(), waiting.machine.get()}) {
                m->begin_step();
                m->add_turn({.at = {Site::kMmio, 2}, .slot = kNicSlot, .times = 3});
                REQUIRE(
                    m->command(Op::kDevice, {static_cast<u64>(DeviceVerb::kStartNic), kNicSlot, 8, 512, 1000}).kind ==
                    Kind::kReply);
            }
            CHECK(waiting.machine->state_hash() == box->state_hash());
        }
}

}  // namespace baton::test
