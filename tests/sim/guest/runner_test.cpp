// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>

#include "tests/catch.hpp"
#include "tests/support/tiny_machine.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::test;

namespace {

constexpr Isa kIsas[] = {Isa::kX86_64, Isa::kAArch64};
using Reports = std::vector<u64>;

GuestConfig impatient(u64 budget) { return {.budget_instructions = budget, .silence = std::chrono::milliseconds(40)}; }

}  // namespace

TEST_CASE("guest: a kernel that waits is let go, and each call is served once") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        REQUIRE(t.run(kTinyIdle).kind == Stop::Kind::kIdle);
        for (u64 i = 1; i <= 5; ++i) {
            REQUIRE(t.machine.proceed().kind == Stop::Kind::kIdle);
            REQUIRE(t.reports().size() == i);
            REQUIRE(t.reports().back() == i);
        }
    }
}

TEST_CASE("guest: kernel entry is announced with the image and the argument") {
    TinyMachine x86(Isa::kX86_64);
    x86.run(kTinyIdle);
    REQUIRE(x86.machine.calls[0] == "decompress 0x1000000 0x0");
    REQUIRE(x86.machine.calls[1] == "bytes_decompressed 458752");
    REQUIRE(x86.machine.calls[2] == "kernel.entry 0x1000000 0x0");
    TinyMachine arm(Isa::kAArch64);
    arm.run(kTinyIdle);
    REQUIRE(arm.machine.calls[0] == "kernel.entry 0x40200000 0x0");
}

TEST_CASE("guest: a break stops at the call, and the call is not made again") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        t.machine.on_site = [](Site, u64 nth) { return nth % 2 == 1 ? SiteAction::kBreak : SiteAction::kGoOn; };
        u64 breaks = 0;
        Stop stop = t.run(kTinyCount);
        for (; stop.kind == Stop::Kind::kBreak; stop = t.machine.proceed()) ++breaks;
        REQUIRE(breaks == (isa == Isa::kX86_64 ? 3 : 2));  // decompress, kernel.entry, the first report
        REQUIRE(t.reports() == Reports{0, 1});
        REQUIRE(stop.fault.kind == Fault::Kind::kHang);  // it halts in the end
    }
}

TEST_CASE("guest: exceptions are verdicts with place and address") {
    for (const Isa isa : kIsas) {
        const bool x86 = isa == Isa::kX86_64;
        TinyMachine load(isa);
        const Fault bad_load = load.run(kTinyLoad).fault;
        REQUIRE(bad_load.kind == Fault::Kind::kGuestException);
        REQUIRE(bad_load.args[0] == (x86 ? 14 : 0x25));  // without an MMU: the address is wider than the CPU's
        REQUIRE(bad_load.args[1] == load.label(kTinyLoadAtX86, kTinyLoadAtArm));
        REQUIRE(bad_load.args[2] == 0x123456789000);
        REQUIRE(load.guest().crash()->pc == load.label(kTinyLoadAtX86, kTinyLoadAtArm));

        TinyMachine undefined(isa);
        const Fault bad = undefined.run(kTinyUndefined).fault;
        REQUIRE(bad.kind == Fault::Kind::kGuestException);
        REQUIRE(bad.args[0] == (x86 ? 6 : 0));
        REQUIRE(bad.args[1] == undefined.label(kTinyUndefinedX86, kTinyUndefinedArm));

        TinyMachine data(isa);
        const Fault wild = data.run(kTinyData).fault;
        REQUIRE(wild.kind == Fault::Kind::kGuestException);
        REQUIRE(wild.args[1] == data.label(kTinyZeroesX86, kTinyZeroesArm));

        TinyMachine hole(isa);
        REQUIRE(hole.run(kTinyHole).fault ==
                Fault{.kind = Fault::Kind::kBadAccess, .args = {x86 ? 0xc0001000u : 0x1000u, 8, 0}});
    }
}

TEST_CASE("guest: time cannot be read past the platform") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        const Fault f = t.run(kTinyTime).fault;
        REQUIRE(f.kind == Fault::Kind::kTimeRead);
        REQUIRE(f.args[1] == t.label(kTinyTimeX86, kTinyTimeArm));
    }
}

TEST_CASE("guest: what is no platform call is a verdict") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        const Fault f = t.run(kTinyBadCall).fault;
        REQUIRE(f.kind == Fault::Kind::kBadPortCall);
        REQUIRE(f.args[0] == 999);
    }
}

TEST_CASE("guest: a kernel that makes no call hangs, whether it is counted from the start or not") {
    for (const Isa isa : kIsas) {
        for (const bool always : {false, true}) {
            GuestConfig config = impatient(3'000'000);
            config.count_always = always;
            TinyMachine t(isa, config);
            REQUIRE(t.run(kTinyLoop).fault == Fault{.kind = Fault::Kind::kHang, .args = {3'000'000, kHangSilent, 0}});
            REQUIRE(t.guest().silence_seen() == !always);
        }
        TinyMachine halted(isa);
        REQUIRE(halted.run(kTinyHalt).fault.kind == Fault::Kind::kHang);
    }
}

TEST_CASE("guest: a long silence below the budget is no hang") {
    for (const Isa isa : kIsas) {
        GuestConfig config = impatient(2'000'000'000);
        config.silence = std::chrono::milliseconds(10);
        TinyMachine t(isa, config);
        REQUIRE(t.run(kTinySilent).kind == Stop::Kind::kIdle);
        REQUIRE(t.reports() == Reports{5});
        REQUIRE(t.guest().silence_seen());
    }
}

TEST_CASE("guest: n instructions after a point are exactly n") {
    for (const Isa isa : kIsas) {
        const bool x86 = isa == Isa::kX86_64;
        // After the store of report 0: ret, mov, then turns of 3; a counter goes up with each.
        for (const u64 n : {0u, 1u, 2u, 3u, 5u, 6u, 50u, 51u, 52u, 250u}) {
            TinyMachine t(isa);
            t.machine.on_site = [](Site s, u64) {
                return s == Site::kLoadBegin ? SiteAction::kBreak : SiteAction::kGoOn;
            };
            Stop stop = t.run(kTinyCount);
            REQUIRE(stop.kind == Stop::Kind::kBreak);
            const u64 before = read_register(t.guest().engine(), x86 ? "rax" : "x10");
            t.guest().stop_after(n);
            stop = t.machine.proceed();
            REQUIRE(stop.kind == Stop::Kind::kBreak);
            REQUIRE(t.guest().stopped_after());
            const u64 turns = read_register(t.guest().engine(), x86 ? "rax" : "x10") - before;
            REQUIRE(turns == (n <= 2 ? 0 : (n - 2 + 2) / 3));
            REQUIRE(t.reports() == Reports{0});
            t.machine.on_site = nullptr;
            REQUIRE(t.machine.proceed().kind == Stop::Kind::kFault);
            REQUIRE(t.reports() == Reports{0, 1});
        }
    }
}

TEST_CASE("guest: code that the host changes inside a call runs changed at once") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        t.machine.on_site = [&](Site s, u64 nth) {
            if (s != Site::kLoadBegin || nth != 1) return SiteAction::kGoOn;
            const u8 two[] = {2};
            const u32 mov_two = 0xd2800049;  // mov x9,#2
            const PhysAddr at{t.label(kTinyPatchedX86 + 1, kTinyPatchedArm)};
            if (isa == Isa::kX86_64)
                t.machine.guest_write(at, two);
            else
                t.machine.guest_write(at, {reinterpret_cast<const u8*>(&mov_two), sizeof(mov_two)});
            return SiteAction::kGoOn;
        };
        t.run(kTinyPatch);
        REQUIRE(t.reports() == Reports{1, 2});
    }
}

TEST_CASE("guest: code that the guest changes runs changed") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        t.run(kTinyRewrite);
        REQUIRE(t.reports() == Reports{9});
    }
}

TEST_CASE("guest: a device access is made once, with a break before it and code changed in it") {
    for (const Isa isa : kIsas) {
        for (const bool counted : {false, true}) {
            GuestConfig config;
            config.count_always = counted;
            TinyMachine t(isa, config);
            u64 reads = 0;
            u64 writes = 0;
            t.machine.on_register = [&](PhysAddr reg, bool write, u64& value) {
                (write ? writes : reads) += 1;
                const u8 byte[] = {0};
                t.machine.guest_write(t.code() + 0xf00, byte);  // in the text: the CPU must stop
                if (write) return value == 7 && reg.value % 0x10000 == 4;
                value = 0x1000 + reg.value % 0x10000;
                return true;
            };
            t.machine.on_site = [](Site s, u64) { return s == Site::kMmio ? SiteAction::kBreak : SiteAction::kGoOn; };
            Stop stop = t.run(kTinyDevice);
            u64 breaks = 0;
            for (; stop.kind == Stop::Kind::kBreak; stop = t.machine.proceed()) ++breaks;
            REQUIRE(breaks == 3);
            REQUIRE(reads == 2);
            REQUIRE(writes == 1);
            REQUIRE(t.reports() == Reports{0x1000, 0x1008});
        }
    }
}

TEST_CASE("guest: a saved CPU goes on in another machine") {
    for (const Isa isa : kIsas) {
        TinyMachine first(isa);
        first.run(kTinyIdle);
        for (int i = 0; i < 3; ++i) first.machine.proceed();
        REQUIRE(first.guest().can_save());
        const CpuFields saved = first.guest().save_cpu();

        TinyMachine second(isa);
        for (const PhysRange& r : first.machine.memory.ranges())
            for (u64 f = r.start.value >> kFrameShift; f < r.end().value >> kFrameShift; ++f)
                if (first.machine.memory.ever().contains(f))
                    second.machine.memory.set_frame(f, first.machine.memory.frame(f));
        second.guest().restore_cpu(saved);
        REQUIRE(second.guest().save_cpu() == saved);
        REQUIRE(second.guest().resume({}).kind == Stop::Kind::kIdle);
        REQUIRE(second.reports() == Reports{4});
    }
}

TEST_CASE("guest: a CPU cannot be saved in the middle of a call, nor restored from something else") {
    TinyMachine t(Isa::kX86_64);
    t.machine.on_site = [](Site, u64) { return SiteAction::kBreak; };
    t.run(kTinyCount);
    REQUIRE(!t.guest().can_save());
    REQUIRE_THROWS_AS(t.guest().save_cpu(), EngineError);
    TinyMachine other(Isa::kAArch64);
    other.run(kTinyIdle);
    CpuFields fields = other.guest().save_cpu();
    REQUIRE_THROWS_AS(t.guest().restore_cpu(fields), EngineError);
    fields.pop_back();
    REQUIRE_THROWS_AS(other.guest().restore_cpu(fields), EngineError);
}

TEST_CASE("guest: what the machine throws inside a call comes out, and the guest can go on") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        t.machine.on_site = [](Site s, u64) -> SiteAction {
            if (s == Site::kKernelEntry) throw std::runtime_error("from inside");
            return SiteAction::kGoOn;
        };
        REQUIRE_THROWS_WITH(t.run(kTinyIdle), "from inside");
        REQUIRE(t.machine.proceed().kind == Stop::Kind::kIdle);
    }
}

TEST_CASE("guest: a crash report has code, backtrace, registers and the last sites") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        t.run(kTinyNested);
        REQUIRE(t.guest().crash());
        const GuestCrash& crash = *t.guest().crash();
        REQUIRE(crash.verdict == "exception");
        REQUIRE(crash.backtrace.size() >= 2);
        REQUIRE(crash.backtrace[1].pc == t.label(kTinyInnerX86, kTinyInnerArm));
        REQUIRE(!crash.code.empty());
        REQUIRE(std::ranges::count(crash.code, crash.pc, &Instruction::address) == 1);
        REQUIRE(crash.sites.back().site == Site::kKernelEntry);
        REQUIRE(crash.to_text().find(isa == Isa::kX86_64 ? "ud2" : "=>") != std::string::npos);
    }
}

TEST_CASE("guest: the dirty set has every frame a guest wrote, and a guest cannot mark what is not RAM") {
    for (const Isa isa : kIsas) {
        TinyMachine t(isa);
        t.run(kTinyIdle);
        PhysicalMemory& memory = t.machine.memory;
        u64* const bitmap = memory.view().dirty;
        bitmap[(isa == Isa::kX86_64 ? 0xfd000000 : 0x08000000) >> kFrameShift >> 6] = ~u64{0};  // as a guest would
        const FrameSet& ever = memory.ever();
        ever.for_each([&](u64 f) { REQUIRE(memory.is_ram({{f << kFrameShift}, kFrameSize})); });
        for (const PhysRange& r : memory.ranges())
            for (u64 f = r.start.value >> kFrameShift; f < r.end().value >> kFrameShift; ++f)
                if (!ever.contains(f) && !memory.is_background(memory.frame(f))) FAIL("frame " << f << " is missing");
    }
}

TEST_CASE("guest: a machine with RAM above 128 GiB is refused") {
    REQUIRE_THROWS_AS(TwinMachine(GeometryId::kX86_64, Target::kGuest, {}, 144 * kGiB), EngineError);
}
