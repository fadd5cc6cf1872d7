// SPDX-License-Identifier: GPL-2.0-only
// The relocation code of an image alone on a CPU, beside its twin: random lists over a small pool of pages, many a
// second.
//
// Tables, code and engine are made once; a round fills the pool, writes a list, puts the same bytes under both and lets
// them run. Nothing is executed where the code would go.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "model/kexec/kexec.hpp"
#include "sim/cpu/self_test.hpp"
#include "sim/native/relocator.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/firmware/machine_code.hpp"

namespace baton::test {

inline constexpr u64 kListPages = 10;
inline constexpr u64 kDeviceTree = 0x1234567890;
inline constexpr u64 kWordsMax = 100'000;  // a list that is walked longer does not end

/// How one side ended: schedule points and words, and then "done", "hang", "fault ADDRESS" or what a CPU says.
struct Relocated {
    std::vector<std::string> points;
    u64 words = 0;
    std::string end;
    u64 fault_address = 0;
    bool operator==(const Relocated&) const = default;
};

class RelocationBench {
public:
    virtual ~RelocationBench() = default;
    RelocationBench(GeometryId id, bool swap) : m(id), x86(m.g.isa == Isa::kX86_64) {
        const u64 page = m.g.page_size();
        list_ = kBenchFree;
        pool_ = list_ + kListPages * page;
        pool_pages_ = std::min(u64{128}, 2 * kMiB / page);
        end_ = pool_ + (pool_pages_ + 2) * page;  // with the swap page and the next image
        REQUIRE(end_ <= kBenchRam);
        jump = {.head = 0,
                .start = m.at(end_ - page),
                .control_page = m.at(kBenchControl),
                .root = {},
                .idmap_root = {},
                .swap_page = m.at(pool_ + pool_pages_ * page),
                .argument = kDeviceTree,
                .page_size = page,
                .three_way_swap = swap};
        const ImageHeader h = m.image.header();
        std::memcpy(m.native(kBenchControl), m.image.payload().data() + h.relocate_offset, h.relocate_size);
        x86 ? map_x86() : map_arm();
        sim::require_sound_emulator(m.g.isa);  // and finds where the addresses of faults are
        m.split();
        pristine_.assign(m.native(kBenchStart), m.native(kBenchEnd));
        powered_on_.emplace(m.engine->save_context());
        watch();
        m.machine.on_site = [this](Site site, u64 a, u64 b) { twin_.points.push_back(point(site, a, b)); };
        m.machine.on_charge = [this] {
            if (m.machine.charged(Work::kEntriesWalked) >= kWordsMax)
                m.machine.fault({.kind = sim::Fault::Kind::kHang});
        };
    }

    // --- a round ----------------------------------------------------------------------------------------------------

    /// New content and a new list on the twin's side. Words in any order with any combination of flags, DONE only at
    /// the end; list pages linked at random places.
    void fill(sim::Random& random) {
        for (u64 o = list_; o < end_; o += sizeof(u64)) put(o, random.next());
        words_.clear();
        u64 at = list_;
        const auto word = [&](u64 w) {
            words_.push_back(at);
            put(at, w);
            at += sizeof(w);
        };
        jump.head = m.at(at).value | kEntryIndirection;
        word(page_of(random) | kEntryDestination);
        for (u64 n = 0; n + 2 < kListPages; n += 2) {
            for (u64 left = 4 + random.bounded(20); left > 0; --left) {
                const u64 flags[] = {
                    kEntrySource, kEntrySource, kEntrySource, kEntryDestination, 0, kEntrySource | kEntryDestination};
                word(page_of(random) | flags[random.bounded(std::size(flags))]);
            }
            const u64 next = list_ + (n + 1 + random.bounded(2)) * jump.page_size;
            word(m.at(next).value | kEntryIndirection);
            at = next;
        }
        word(kEntryDone);
    }
    /// Flips one bit of one word of the list, or of the first word.
    void corrupt(sim::Random& random) {
        const u64 bit = u64{1} << random.bounded(64);
        const u64 which = random.bounded(words_.size() + 1);
        if (which == words_.size())
            jump.head ^= bit;
        else
            put(words_[which], get(words_[which]) ^ bit);
    }
    /// Both sides, from the same bytes.
    void run() {
        if (!x86) put(kBenchWords + 40, jump.head);
        std::memcpy(m.guest(list_), m.native(list_), end_ - list_);
        std::memcpy(m.guest(kBenchWords), m.native(kBenchWords), 64);
        twin_ = {};
        code_ = {};
        looped_ = false;
        run_twin();
        run_code();
    }
    const Relocated& twin() const { return twin_; }
    const Relocated& code() const { return code_; }
    /// Where the code's own tables, text or stack were copied over, or copied from: the twin has none.
    bool met_the_bench() const { return met_; }
    /// Everything that a right list can reach.
    bool same_pool() { return std::memcmp(m.native(list_), m.guest(list_), end_ - list_) == 0; }
    bool same_ram() { return m.first_difference() == kBenchRam; }
    /// After a list that wrote anywhere.
    void clean() {
        for (u8* side : {m.native(0), m.guest(0)}) {
            std::memset(side, 0, kBenchRam);
            std::copy(pristine_.begin(), pristine_.end(), side + kBenchStart);
        }
        m.engine->flush_code();
        m.engine->flush_tlb();
    }

    MachineCode m;
    const bool x86;
    platform::Jump jump;

protected:
    /// What the twin does, and where the code is done.
    virtual void be_twin() { sim::relocate(m.g.isa, jump); }
    virtual u64 last_pc() const { return jump.start.value; }

    void put(u64 offset, u64 word) { std::memcpy(m.native(offset), &word, sizeof(word)); }
    u64 get(u64 offset) {
        u64 word;
        std::memcpy(&word, m.native(offset), sizeof(word));
        return word;
    }
    u64 page_of(sim::Random& random) { return m.at(pool_ + random.bounded(pool_pages_) * jump.page_size).value; }
    std::string point(Site site, u64 a, u64 b) {
        if (site == Site::kRelocatePage) met_ = met_ || in_bench(a) || in_bench(b);
        return fmt::format("{} {:#x} {:#x}", info(site).name, a, b);
    }
    bool in_bench(u64 a) const {
        const u64 o = a - m.start.value;
        return o + jump.page_size > kBenchStart && o < kBenchEnd;
    }

    // specs/kexec.md §7.1 to §7.3.
    void map_x86() {
        jump.root = m.table();
        const u32 all = paging::kMapWrite | paging::kMapExecute;
        m.map(m.g, jump.root, m.start.value, m.start, kBenchRam, all);
        m.map(m.g, jump.root, m.g.kernel_text_base + m.image.header().relocate_offset, jump.control_page, 4096, all);
        const u64 words[] = {jump.control_page.value, jump.control_page.value, jump.root.value, jump.swap_page.value};
        std::memcpy(m.native(kBenchWords), words, sizeof(words));
    }
    // specs/kexec.md §11.2; the arguments of firmware/aarch64/cpu.cpp.
    void map_arm() {
        m.next_table = align_up(m.next_table, 64 * kKiB);
        jump.root = m.table();
        m.map(m.g, jump.root, m.g.direct_map_base, m.start, kBenchRam, paging::kMapWrite);
        jump.idmap_root = m.table();
        m.map(paging::idmap_geometry(m.g), jump.idmap_root, jump.control_page.value, jump.control_page, m.g.page_size(),
              paging::kMapExecute);
        const PhysAddr empty = m.table();
        const u64 offset = m.start.value - m.g.direct_map_base;
        const u64 words[] = {jump.start.value, 0, jump.argument, empty.value, jump.root.value, jump.head, offset};
        std::memcpy(m.native(kBenchWords), words, sizeof(words));
    }

    void watch() {
        const ImageHeader h = m.image.header();
        const auto on = [&](ImageLabel l, std::function<void()> f) {
            m.on(jump.control_page.value + h.labels[l], std::move(f));
        };
        on(kLabelRelocateStart,
           [this] { code_.points.push_back(point(Site::kRelocateStart, jump.head, jump.start.value)); });
        on(kLabelRelocateWord, [this] {
            if (++code_.words >= kWordsMax) m.engine->request_stop();
        });
        on(kLabelRelocatePage, [this] {
            const u64 offset = x86 ? 0 : m.get("x22");
            const u64 to = x86 ? m.get("rdx") : m.get("x13") + offset - jump.page_size;
            code_.points.push_back(point(Site::kRelocatePage, to, x86 ? m.get("rax") : m.get("x12") + offset));
        });
        on(kLabelRelocateDone, [this] { code_.points.push_back(point(Site::kRelocateDone, 0, 0)); });
    }

    void run_twin() {
        met_ = false;
        m.machine.work = {};
        const sim::Fault f = m.machine.run([this] { be_twin(); });
        twin_.words = m.machine.charged(Work::kEntriesWalked);
        switch (f.kind) {
            case sim::Fault::Kind::kNone: twin_.end = "done"; return;
            case sim::Fault::Kind::kHang: twin_.end = "hang"; return;
            case sim::Fault::Kind::kPurgatoryLoop: twin_.end = "loop"; return;
            default: break;
        }
        twin_.end = "fault";
        twin_.fault_address = f.args[0];
    }

    void enter_x86() {
        m.set_long_mode(jump.root);
        m.set("rdi", jump.head);
        m.set("rsi", m.at(kBenchWords).value);
        m.set("rdx", jump.start.value);
        m.set("rcx", jump.three_way_swap);
        m.engine->set_pc(m.g.kernel_text_base + m.image.header().relocate_offset);
    }
    void enter_arm() {
        const Geometry& g = m.g;
        const u64 tg0 = g.page_shift == 12 ? 0 : g.page_shift == 14 ? 2 : 1;
        const u64 tg1 = g.page_shift == 12 ? 2 : g.page_shift == 14 ? 1 : 3;
        m.set("mair_el1", 0xff);
        m.set("tcr_el1", 16 | tg0 << 14 | u64{64 - g.va_bits} << 16 | tg1 << 30 | u64{5} << 32);
        m.set("ttbr0_el1", jump.idmap_root.value);
        m.set("ttbr1_el1", jump.root.value);
        m.set("sctlr_el1", 0x30501805);
        m.set("pstate", 0x3c5);
        m.set("x0", g.direct_map_base + kBenchWords);
        m.engine->flush_tlb();
        m.engine->set_pc(jump.control_page.value);
    }
    void run_code() {
        m.engine->restore_context(*powered_on_);  // a fault that was never handled makes the next one a double fault
        x86 ? enter_x86() : enter_arm();
        const sim::CpuStop stop = m.engine->run(last_pc());
        switch (stop.kind) {
            case sim::CpuStop::Kind::kUntil: code_.end = "done"; return;
            case sim::CpuStop::Kind::kRequested: code_.end = looped_ ? "loop" : "hang"; return;
            case sim::CpuStop::Kind::kBusError: code_.fault_address = stop.address; break;
            case sim::CpuStop::Kind::kException: code_.fault_address = address_of(stop); break;
            default: code_.end = "something else"; return;
        }
        code_.end = "fault";
    }
    // In physical terms. A general protection fault names no address: then it is one that is not canonical.
    u64 address_of(const sim::CpuStop& stop) {
        if (!x86) return stop.address + m.get("x22");
        if (stop.vector == 14) return stop.address;
        const u64 wanted = twin_.fault_address;
        return stop.vector == 13 && wanted + (u64{1} << 47) >= u64{1} << 48 ? wanted : 0;
    }

    bool looped_ = false;  // in the purgatory
    u64 list_;
    u64 pool_;
    u64 pool_pages_;
    u64 end_;
    std::vector<u64> words_;    // offsets of the list's words
    std::vector<u8> pristine_;  // the bench's own memory
    std::optional<sim::Engine::Context> powered_on_;
    Relocated twin_;
    Relocated code_;
    bool met_ = false;
};

}  // namespace baton::test
