// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/walk_rig.hpp"

#include <fmt/format.h>
#include <unicorn/unicorn.h>

#include <cstring>

#include "sim/cpu/registers.hpp"

namespace baton::test {

using namespace baton::sim;
using Kind = WalkAccess::Kind;

namespace {

constexpr PhysRange kRam[] = {{{0}, 128 * kMiB}, {{kGiB}, 64 * kMiB}};
constexpr u64 kCode = 0x10000;
constexpr u64 kTables = 2 * kMiB;
constexpr u64 kTablesEnd = 96 * kMiB;
constexpr u64 kPrivateEnd = kTablesEnd;

// load; nop; store; nop; jump
constexpr u8 kCodeX86[] = {0x48, 0x8b, 0x07, 0x90, 0x48, 0x89, 0x37, 0x90, 0xff, 0xe7, 0x48, 0xcf};
constexpr u64 kLoadX86 = 0, kStoreX86 = 4, kJumpX86 = 8, kIretX86 = 10;
constexpr u32 kCodeArm[] = {0xf9400001, 0xd503201f, 0xf9000002, 0xd503201f, 0xd61f0000};  // x1, x2 at [x0]; br x0
constexpr u64 kLoadArm = 0, kStoreArm = 8, kJumpArm = 16;

u32 va_bits_of(Isa isa, u32 page_shift) { return isa == Isa::kAArch64 && page_shift == 16 ? 42 : 48; }

}  // namespace

WalkRig::WalkRig(Isa isa, u32 page_shift, u32 seed)
    : isa_(isa),
      page_shift_(page_shift),
      va_bits_(va_bits_of(isa, page_shift)),
      levels_((va_bits_ - page_shift + page_shift - 4) / (page_shift - 3)),
      random_(seed),
      memory_(kRam),
      engine_(isa) {
    for (const PhysRange& r : memory_.ranges()) engine_.map_memory(r, memory_.view().base + r.start.value);
    const std::span<const u8> code =
        x86() ? std::span<const u8>(kCodeX86) : std::span(reinterpret_cast<const u8*>(kCodeArm), sizeof(kCodeArm));
    if (!memory_.write({kCode}, code)) throw std::logic_error("no room for the code");
}

u64 WalkRig::new_table() {
    const u64 at = next_table_;
    next_table_ += u64{1} << page_shift_;
    if (next_table_ > kTablesEnd) throw std::logic_error("too many tables");
    std::memset(memory_.claim({{at}, u64{1} << page_shift_}), 0, u64{1} << page_shift_);
    return at;
}

u64 WalkRig::table_flags() {
    if (x86()) return 0x21 | (chance(92) ? 2 : 0) | (chance(85) ? 4 : 0) | (chance(4) ? u64{1} << 63 : 0);
    return 3 | (chance(4) ? u64{1} << 59 : 0) | (chance(4) ? u64{1} << 60 : 0) | (chance(4) ? u64{1} << 61 : 0) |
           (chance(4) ? u64{1} << 62 : 0);
}

u64 WalkRig::leaf_entry(u32 level) {
    const u64 bytes = entry_bytes(level);
    // Mostly memory, sometimes a hole; small leaves anywhere above what is private.
    u64 phys = chance(50) ? kPrivateEnd + random_() % (32 * kMiB) : kGiB + random_() % (64 * kMiB);
    if (chance(5)) phys = 3 * kGiB + random_() % kGiB;
    phys &= ~(bytes - 1);
    if (x86())
        return phys | (chance(92) ? 1 : 0) | (chance(70) ? 2 : 0) | (chance(50) ? 4 : 0) | (random_() & 0x160) |
               (level != 0 ? 0x80 : 0) | (chance(30) ? u64{1} << 63 : 0) | (chance(3) ? u64{1} << 45 : 0) |
               (level != 0 && chance(3) ? 0x2000 : 0) | (level != 0 && chance(20) ? 0x1000 : 0);
    return phys | (chance(92) ? 1 : 0) | (level == 0 && chance(97) ? 2 : 0) | (chance(92) ? 0x400 : 0) | 0x300 |
           (chance(50) ? 0x40 : 0) | (chance(40) ? 0x80 : 0) | (chance(30) ? u64{1} << 53 : 0) |
           (chance(30) ? u64{1} << 54 : 0) | (chance(50) ? 0x800 : 0);
}

u64 WalkRig::random_va() {
    const u64 low = random_() & ((u64{1} << (x86() ? 47 : va_bits_)) - 1) & ~u64{7};
    return chance(50) ? low : low | (x86() ? 0xffff800000000000 : ~((u64{1} << va_bits_) - 1));
}

// Goes down to the entry, making tables; false if a leaf is in the way.
bool WalkRig::add_mapping(u64 va, u32 level, u64 leaf) {
    const bool high = va >> 63 != 0;
    u64 table = root_[x86() ? 0 : high];
    for (u32 l = levels_;;) {
        --l;
        const u64 in_tree = va & ((u64{1} << va_bits_) - 1);
        const u64 index = in_tree >> (page_shift_ + l * (page_shift_ - 3)) & ((u64{1} << (page_shift_ - 3)) - 1);
        const PhysAddr at{table + index * sizeof(u64)};
        u64 entry = memory_.load<u64>(at).value();
        if (l == level) return entry == 0 && memory_.store(at, leaf);
        const bool is_leaf = entry != 0 && (x86() ? (entry & 0x80) != 0 : (entry & 3) != 3);
        if (is_leaf) return false;
        if (entry == 0) {
            entry = new_table() | table_flags();
            if (!memory_.store(at, entry)) return false;
        }
        table = entry & 0x0000fffffffff000 & ~((u64{1} << page_shift_) - 1);
    }
}

void WalkRig::map_code() {
    const u64 va = ~u64{0} << page_shift_;
    u64 table = root_[x86() ? 0 : 1];
    for (u32 l = levels_; --l != 0;) {
        const u64 last = ((va & ((u64{1} << va_bits_) - 1)) >> (page_shift_ + l * (page_shift_ - 3))) &
                         ((u64{1} << (page_shift_ - 3)) - 1);
        const u64 next = new_table();
        (void)memory_.store(PhysAddr{table + last * 8}, next | (x86() ? u64{0x27} : u64{3}));
        table = next;
    }
    const u64 last = (u64{1} << (page_shift_ - 3)) - 1;
    (void)memory_.store(PhysAddr{table + last * 8}, kCode | (x86() ? u64{0x25} : u64{0x7c3}));  // user, read-only
}

void WalkRig::set_registers() {
    if (x86()) {
        x86_paging_ = {
            .cr0 = 0x80000033 | (chance(80) ? u64{1} << 16 : 0), .cr3 = root_[0], .cr4 = 0x620, .efer = 0xd01};
        write_register(engine_, "efer", x86_paging_.efer);
        write_register(engine_, "cr4", x86_paging_.cr4);
        write_register(engine_, "cr3", x86_paging_.cr3);
        write_register(engine_, "cr0", x86_paging_.cr0);
        return;
    }
    const u64 tg0 = page_shift_ == 12 ? 0 : page_shift_ == 16 ? 1 : 2;
    const u64 tg1 = page_shift_ == 12 ? 2 : page_shift_ == 16 ? 3 : 1;
    const u64 size = 64 - va_bits_;
    arm_paging_ = {.sctlr = 0x30d51805 | (chance(15) ? u64{1} << 19 : 0),
                   .tcr = u64{5} << 32 | tg1 << 30 | size << 16 | tg0 << 14 | size |
                          (chance(15) ? u64{1} << 7 : 0),  // EPD0; the code is in the other half
                   .ttbr0 = root_[0],
                   .ttbr1 = root_[1]};
    write_register(engine_, "mair_el1", 0xff);
    write_register(engine_, "tcr_el1", arm_paging_.tcr);
    write_register(engine_, "ttbr0_el1", arm_paging_.ttbr0);
    write_register(engine_, "ttbr1_el1", arm_paging_.ttbr1);
    write_register(engine_, "sctlr_el1", arm_paging_.sctlr);
}

// x86-64: by an iretq, because Unicorn does not change the privilege level when it is told another CS.
void WalkRig::enter_user() {
    const u64 code = ~u64{0} << page_shift_;
    if (!x86()) {
        write_register(engine_, "pstate", 0x3c0);
        write_register(engine_, "tpidr_el0", 0);  // makes Unicorn notice
        return;
    }
    constexpr u64 kGdt = kCode + 0x800;  // in the code page, which everybody can read
    const u64 gdt[] = {0, 0, 0x00affb000000ffff, 0x00cff3000000ffff};
    const u64 frame[] = {code + kStoreX86 - 1, 0x13, 0x2, 0, 0x1b};
    (void)memory_.write({kGdt}, {reinterpret_cast<const u8*>(gdt), sizeof(gdt)});
    (void)memory_.write({kCode + 0xc00}, {reinterpret_cast<const u8*>(frame), sizeof(frame)});
    uc_x86_mmr gdtr{.selector = 0, .base = code + 0x800, .limit = sizeof(gdt) - 1, .flags = 0};
    uc_reg_write(engine_.raw(), UC_X86_REG_GDTR, &gdtr);
    write_register(engine_, "rsp", code + 0xc00);
    engine_.set_pc(code + kIretX86);
    if (engine_.run(code + kStoreX86).kind != CpuStop::Kind::kUntil)
        throw std::logic_error("iretq does not reach user mode");
}

void WalkRig::rebuild(u64 mappings) {
    next_table_ = kTables;
    root_[0] = new_table();
    root_[1] = x86() ? root_[0] : new_table();
    map_code();
    if (kernel_) engine_.restore_context(*kernel_);
    set_registers();
    addresses_.clear();
    const u64 top_entry = entry_bytes(levels_ - 1);
    const u32 level_max = page_shift_ == 12 ? 2 : 1;
    for (u64 i = 0; i < mappings;) {
        const u32 level = static_cast<u32>(random_() % (level_max + 1));
        const u64 va = random_va();
        if (va >= ~u64{0} - top_entry + 1) continue;  // the code's part
        ++i;
        if (!add_mapping(va, level, leaf_entry(level))) continue;
        const u64 bytes = entry_bytes(level);
        addresses_.push_back((va & ~(bytes - 1)) + (random_() % std::min<u64>(bytes, 64 * kMiB) & ~u64{7}));
        if (chance(5)) addresses_.push_back(va ^ bytes);
        if (chance(3)) addresses_.push_back(random_va());
        if (chance(1)) addresses_.push_back(random_() & ~u64{7});
    }
    engine_.flush_code();
    engine_.flush_tlb();
    kernel_ = std::make_unique<Engine::Context>(engine_.save_context());
    enter_user();
    user_ = std::make_unique<Engine::Context>(engine_.save_context());
}

PageWalk WalkRig::walk(u64 va, WalkAccess access) const {
    return x86() ? walk_x86_64(memory_, x86_paging_, {va}, access) : walk_aarch64(memory_, arm_paging_, {va}, access);
}

void WalkRig::start_at(const Engine::Context& context, u64 code_offset, u64 va, u64 value) {
    engine_.restore_context(context);
    engine_.set_reg(x86() ? int{UC_X86_REG_RDI} : int{UC_ARM64_REG_X0}, va);
    engine_.set_reg(x86() ? int{UC_X86_REG_RSI} : int{UC_ARM64_REG_X2}, value);
    engine_.set_pc((~u64{0} << page_shift_) + code_offset);
}

std::string WalkRig::try_access(u64 va, WalkAccess access) {
    const PageWalk w = walk(va, access);
    ++seen_[static_cast<u32>(w.fault)];
    const PhysRange target{w.address, sizeof(u64)};
    const bool in_ram = w.leaf_bytes != 0 && memory_.is_ram(target);
    if (in_ram && w.address.value < kPrivateEnd) return {};
    const u64 before = random_() << 32 | (x86() ? 0xcccccccc : 0xd4200000);  // int3, brk
    const u64 stored = random_();
    if (in_ram) (void)memory_.store(w.address, before);
    const u64 offset = access.kind == Kind::kRead    ? (x86() ? kLoadX86 : kLoadArm)
                       : access.kind == Kind::kWrite ? (x86() ? kStoreX86 : kStoreArm)
                                                     : (x86() ? kJumpX86 : kJumpArm);
    const u64 resume = (~u64{0} << page_shift_) + offset + (x86() ? 3 : 4);
    start_at(access.user ? *user_ : *kernel_, offset, va, stored);
    const CpuStop stop = engine_.run(resume);
    if (!w.allowed()) {
        if (in_ram && memory_.load<u64>(w.address) != before) return "a forbidden access changed memory";
        return judge_fault(stop, w, va, access);
    }
    if (!in_ram) {
        if (stop.kind == CpuStop::Kind::kBusError && stop.address == w.address.value) return {};
        return fmt::format("allowed, to the hole at {:#x}; the CPU says kind {} at {:#x}", w.address.value,
                           static_cast<int>(stop.kind), stop.address);
    }
    ++allowed_[w.level];
    if (access.kind == Kind::kFetch) {
        const bool reached = stop.kind == CpuStop::Kind::kException && stop.vector == (x86() ? 3u : 0x3cu);
        return reached ? ""
                       : fmt::format("allowed to execute; the CPU says kind {} vector {:#x}",
                                     static_cast<int>(stop.kind), stop.vector);
    }
    if (stop.kind != CpuStop::Kind::kUntil)
        return fmt::format("allowed; the CPU says kind {} vector {:#x} code {:#x}", static_cast<int>(stop.kind),
                           stop.vector, stop.code);
    if (access.kind == Kind::kWrite) return memory_.load<u64>(w.address) == stored ? "" : "another frame changed";
    return engine_.reg(x86() ? int{UC_X86_REG_RAX} : int{UC_ARM64_REG_X1}) == before ? "" : "another frame was read";
}

std::string WalkRig::judge_fault(const CpuStop& stop, const PageWalk& w, u64 va, WalkAccess access) {
    u64 vector = 14;
    u64 code = 0;
    u64 code_mask = ~u64{0};
    if (x86()) {
        const bool present = w.fault == WalkFault::kPermission || w.fault == WalkFault::kReserved;
        code = (present ? 1 : 0) | (access.kind == Kind::kWrite ? 2 : 0) | (access.user ? 4 : 0) |
               (w.fault == WalkFault::kReserved ? 8 : 0) | (access.kind == Kind::kFetch ? 16 : 0);
        if (w.fault == WalkFault::kAddress) {
            vector = 13;
            code = 0;
        }
    } else {
        const u64 level = w.fault == WalkFault::kAddress || w.fault == WalkFault::kClosed ? 0 : 3 - w.level;
        const u64 status = w.fault == WalkFault::kAccessFlag ? 8 : w.fault == WalkFault::kPermission ? 12 : 4;
        vector = (access.kind == Kind::kFetch ? 0x20 : 0x24) | (access.user ? 0 : 1);
        code = status | level | (access.kind == Kind::kWrite ? 0x40 : 0);
        code_mask = 0x7f;
    }
    const bool agrees = stop.kind == CpuStop::Kind::kException && stop.vector == vector &&
                        (stop.code & code_mask) == code && (vector == 13 || stop.address == va);
    if (agrees) return {};
    return fmt::format(
        "fault {} (level {}): expected vector {:#x} code {:#x}; the CPU says kind {} vector {:#x} code {:#x} "
        "address {:#x}",
        static_cast<u32>(w.fault), w.level, vector, code, static_cast<int>(stop.kind), stop.vector,
        stop.code & code_mask, stop.address);
}

}  // namespace baton::test
