// SPDX-License-Identifier: GPL-2.0-only
// A bench for the machine code between two kernels: a CPU over a copy of a BareMachine's RAM, so that the declared twin
// can run on the one and the code on the other (decision D7).
#pragma once

#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "model/mm/paging/paging.hpp"
#include "sim/cpu/engine.hpp"
#include "sim/cpu/registers.hpp"
#include "sim/image/image_file.hpp"
#include "tests/support/bare_machine.hpp"

namespace baton::test {

/// Where things of the bench lie, from the start of RAM. The frames [kBenchStart, kBenchEnd) are tables, code and
/// stack.
inline constexpr u64 kBenchRam = 24 * kMiB;
inline constexpr u64 kBenchStart = 4 * kMiB;
inline constexpr u64 kBenchControl = 4 * kMiB;               // control page
inline constexpr u64 kBenchWords = kBenchControl + 0x10000;  // what the code is told
inline constexpr u64 kBenchStack = kBenchControl + 0x30000;  // its end
inline constexpr u64 kBenchTables = kBenchControl + 0x100000;
inline constexpr u64 kBenchEnd = 8 * kMiB;
inline constexpr u64 kBenchFree = 8 * kMiB;  // the test's

/// Asks the test at every charge: it may end the run there.
class ChargedMachine final : public BareMachine {
public:
    using BareMachine::BareMachine;
    void charge(Work w, u64 amount) override {
        BareMachine::charge(w, amount);
        if (on_charge) on_charge();
    }
    std::function<void()> on_charge;
};

class MachineCode {
public:
    explicit MachineCode(GeometryId id)
        : g(geometry_of(id)),
          start{g.isa == Isa::kX86_64 ? 0 : kGiB},
          machine(id, {start, kBenchRam}),
          image(sim::ImageFile::load(std::filesystem::path(BATON_IMAGES) / g.name / "baton.img")),
          next_table(kBenchTables) {}

    bool has_code() const { return image.header().labels[kLabelRelocateStart] != 0; }
    PhysAddr at(u64 offset) const { return start + offset; }
    u8* native(u64 offset) { return reinterpret_cast<u8*>(machine.bytes(at(offset))); }
    u8* guest(u64 offset) { return copy.get() + offset; }

    PhysAddr table() {
        const PhysAddr t = at(next_table);
        next_table += g.page_size();
        REQUIRE(next_table <= kBenchEnd);
        return t;
    }
    void map(const Geometry& format, PhysAddr root, u64 va, PhysAddr pa, u64 size, u32 flags) {
        const paging::TableSource tables{
            [](void* self) -> Result<PhysAddr> { return static_cast<MachineCode*>(self)->table(); }, this};
        REQUIRE(paging::map(format, root, {va}, pa, size, flags, 2 * kMiB, tables));
    }

    /// From here on the two machines are apart.
    void split() {
        copy.reset(static_cast<u8*>(std::aligned_alloc(kMiB, kBenchRam)));
        std::memcpy(copy.get(), native(0), kBenchRam);
        engine = std::make_unique<sim::Engine>(g.isa);
        engine->map_memory({start, kBenchRam}, copy.get());
    }
    void set(const char* name, u64 value) { sim::write_register(*engine, name, value); }
    u64 get(const char* name) const { return sim::read_register(*engine, name); }
    /// Long mode under an identity map, as a kernel leaves it.
    void set_long_mode(PhysAddr root) {
        set("efer", 0xd01);
        set("cr4", 0x6a0);
        set("cr3", root.value);
        set("cr0", 0x80050033);
        set("rsp", at(kBenchStack).value);
    }
    void on(u64 address, std::function<void()> f) {
        hooks.push_back(engine->on_code(address, address, [f = std::move(f)](u64) { f(); }));
    }

    /// Offset of the first 4 KiB frame that differs, outside the bench itself; kBenchRam when all are equal.
    u64 first_difference() {
        for (u64 o = 0; o < kBenchRam; o += kFrameSize) {
            if (o >= kBenchStart && o < kBenchEnd) continue;
            if (std::memcmp(native(o), guest(o), kFrameSize) != 0) return o;
        }
        return kBenchRam;
    }

    struct Free {
        void operator()(u8* p) const { std::free(p); }
    };
    const Geometry& g;
    const PhysAddr start;
    ChargedMachine machine;
    sim::ImageFile image;
    u64 next_table;
    std::unique_ptr<u8, Free> copy;
    std::unique_ptr<sim::Engine> engine;
    std::vector<sim::Engine::Hook> hooks;
};

}  // namespace baton::test
