// SPDX-License-Identifier: GPL-2.0-only
// Early boot on x86-64, from the zero page to a memblock that knows RAM (specs/kexec.md §9; specs/kho.md §1.3).
//
// Order matters more than anything here, and is Linux's. What must not be overwritten is reserved before memblock knows
// any RAM, so nothing can be handed out first. The KHO node of setup_data is read after that and before the firmware
// map is added, so a KHO boot allocates from scratch from its first allocation on; RAM added later keeps scratch's
// flags.
#include <algorithm>

#include "model/bits.hpp"
#include "model/boot/early.hpp"
#include "model/boot/x86_64/acpi.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/boot/x86_64/e820.hpp"
#include "model/boot/x86_64/zero_page.hpp"
#include "model/kernel.hpp"
#include "model/mm/early_alloc.hpp"

namespace baton::boot {
namespace {

inline constexpr u64 kFirstPage = 4096;          // never given to anybody: real-mode vectors, null pointers
inline constexpr u64 kLowReserved = 64 * kKiB;   // BIOSes scribble here
inline constexpr u64 kBiosStartMax = 0x9f000;    // where the extended BIOS data begins at the latest
inline constexpr u64 kBiosStartMin = 0x20000;    // a lower claim is not believed
inline constexpr u64 kVideoStart = 0xa0000;      // never RAM up to 1 MiB, whatever the map says
inline constexpr u64 kDirectMapMax = 64 * kTiB;  // of four-level tables

[[noreturn]] void bad_boot(const Kernel& k, BadBoot why) {
    platform::panic(Log::kPanicBadBoot, k.boot.argument.value, static_cast<u64>(why));
}

const MemoryMapEntry* ram_entry(const Kernel& k, PhysAddr a) {
    for (u64 i = 0; i < k.boot.memory_map_count; ++i) {
        const MemoryMapEntry& e = k.boot.memory_map[i];
        if (e.type == static_cast<u32>(MemoryType::kRam) && PhysRange{e.start, e.size}.contains(a)) return &e;
    }
    return nullptr;
}

PhysRange whole_pages(PhysRange r) {
    const PhysAddr start = align_down(r.start, kFirstPage);
    return {start, align_up(r.end(), kFirstPage) - start};
}

void check_header(const Kernel& k, const BootParams& params) {
    if (params.header.boot_flag != kBootFlag) bad_boot(k, BadBoot::kBootFlag);
    if (params.header.header != kHeaderMagic) bad_boot(k, BadBoot::kHeaderMagic);
    if (params.header.version < kProtocolVersionMin) bad_boot(k, BadBoot::kProtocolVersion);
}

void read_memory_map(Kernel& k, const BootParams& params) {
    const u32 entries = params.e820_entries;
    if (entries > kE820EntriesMax) platform::log(LogLevel::kWarn, Log::kE820Truncated, entries - kE820EntriesMax);
    k.boot.memory_map_count = sanitise_e820({params.e820_table, std::min(entries, kE820EntriesMax)}, k.boot.memory_map);
    for (u64 i = 0; i < k.boot.memory_map_count; ++i)
        if (k.boot.memory_map[i].type == static_cast<u32>(MemoryType::kRam)) return;
    bad_boot(k, BadBoot::kNoMemory);
}

void read_command_line(Kernel& k, const BootParams& params) {
    const PhysAddr from = command_line_of(params);
    if (from.value == 0) return;
    if (ram_entry(k, from) == nullptr) bad_boot(k, BadBoot::kCommandLine);
    u32 n = 0;
    for (; n < kCommandLineSizeMax; ++n) {
        const char c = ram::load<char>(from + n);
        if (c == '\0') break;
        k.boot.command_line[n] = c;
    }
    k.boot.command_line[n] = '\0';
    k.boot.command_line_bytes = n;
    platform::charge(Work::kBytesCopied, n + 1);
}

// Returns the head of the setup_data list, the one thing that is followed later.
PhysAddr read_zero_page(Kernel& k) {
    const BootParams& params = *ram::read<BootParams>(k.boot.argument);
    platform::charge(Work::kBytesCopied, sizeof(BootParams));
    check_header(k, params);
    read_memory_map(k, params);
    read_command_line(k, params);
    k.boot.acpi_rsdp = writer_is_current(params) ? params.acpi_rsdp : 0;
    k.boot.from_kexec = (params.header.type_of_loader & 0xf0) == kLoaderTypeKexec;
    k.boot.initrd = initrd_of(params);
    return {params.header.setup_data};
}

void reserve_initrd(Kernel& k) {
    if (k.boot.initrd.empty()) return;
    const PhysRange pages = whole_pages(k.boot.initrd);
    expect_recorded(memblock::reserve_kern(k.memblock, pages));
    const MemoryMapEntry* ram = ram_entry(k, pages.start);
    if (ram != nullptr && PhysRange{ram->start, ram->size}.contains(pages))
        platform::own(pages, Owner::kNobody, Owner::kKernel);
}

// A list that bites its tail is walked for ever, here as in Linux: the step's budget ends it as a hang.
void reserve_setup_data(Kernel& k, PhysAddr head) {
    for (PhysAddr at = head; at.value != 0;) {
        const auto node = ram::load<SetupData>(at);
        platform::charge(Work::kListLinks, 1);
        expect_recorded(memblock::reserve_kern(k.memblock, {at, sizeof(SetupData) + u64{node.len}}));
        if (node.type == kSetupIndirect && node.len >= sizeof(SetupDataIndirect)) {
            const auto indirect = ram::load<SetupDataIndirect>(at + sizeof(SetupData));
            if (indirect.type != kSetupIndirect)
                expect_recorded(memblock::reserve_kern(k.memblock, {indirect.addr, indirect.len}));
        }
        at = node.next;
    }
}

void reserve_bios_area(Kernel& k) {
    const MemoryMapEntry* low = ram_entry(k, {kFirstPage});
    const u64 claimed = low == nullptr ? 0 : align_down(low->start.value + low->size, kFirstPage);
    const u64 start = claimed < kBiosStartMin ? kBiosStartMax : std::min(claimed, kBiosStartMax);
    expect_recorded(memblock::reserve(k.memblock, {{start}, kMiB - start}));
}

void reserve_early(Kernel& k, PhysAddr setup_data) {
    expect_recorded(memblock::reserve_kern(k.memblock, {k.image, k.image_size}));
    expect_recorded(memblock::reserve(k.memblock, {{0}, kLowReserved}));
    reserve_initrd(k);
    reserve_setup_data(k, setup_data);
    reserve_bios_area(k);
    platform::at(Site::kBootReserve);
}

void take_kho_node(Kernel& k, PhysAddr at, u32 len) {
    if (len != sizeof(kho::SetupDataKho)) {
        platform::log(LogLevel::kWarn, Log::kKhoBadNode, at.value, len);
        return;
    }
    const auto node = ram::load<kho::SetupDataKho>(at + sizeof(SetupData));
    kho::populate(k, {.fdt = node.fdt_addr,
                      .fdt_size = node.fdt_size,
                      .scratch = node.scratch_addr,
                      .scratch_bytes = node.scratch_size});
}

void parse_setup_data(Kernel& k, PhysAddr head) {
    for (PhysAddr at = head; at.value != 0;) {
        const auto node = ram::load<SetupData>(at);
        platform::charge(Work::kListLinks, 1);
        if (node.type == kSetupKho) take_kho_node(k, at, node.len);
        if (node.type == kSetupRngSeed && node.len != 0) {
            // A seed is used once: nobody who reads this memory later may learn it.
            ram::zero(at + sizeof(SetupData), node.len);
            ram::store(at + offsetof(SetupData, len), u32{0});
        }
        at = node.next;
    }
}

void add_ram(Kernel& k, const MemoryMapEntry& e) {
    constexpr PhysRange kUsable[] = {{{kFirstPage}, kVideoStart - kFirstPage}, {{kMiB}, kDirectMapMax - kMiB}};
    for (const PhysRange& window : kUsable) {
        const PhysAddr start = std::max(e.start, window.start);
        const PhysAddr end = std::min(e.start + e.size, window.end());
        if (start < end) expect_recorded(memblock::add(k.memblock, {start, end - start}));
    }
}

void make_ram_known(Kernel& k) {
    // Only the first MiB is mapped yet: an array that must grow can only grow there.
    k.memblock.current_limit = kMiB;
    k.memblock.can_resize = 1;
    for (u64 i = 0; i < k.boot.memory_map_count; ++i)
        if (k.boot.memory_map[i].type == static_cast<u32>(MemoryType::kRam)) add_ram(k, k.boot.memory_map[i]);
    // Scratch need not reach below 1 MiB, but the trampoline must (kho.md §3.8); B29: some kernels do it on every boot.
    if (k.kho.is_kho_boot != 0 || k.rules().low1m_scratch_always)
        expect_recorded(memblock::set_memory_flag(k.memblock, {{0}, kMiB}, kMemblockKhoScratch, true));
    memblock::trim_memory(k.memblock, geometry(k).page_size());
    platform::at(Site::kBootMemoryKnown);
}

// The page secondary CPUs start in real mode on. It stays reserved with the whole first MiB; without one only they are
// lost.
void place_trampoline(Kernel& k) {
    const u64 page = geometry(k).page_size();
    const auto trampoline = mm::early_alloc(k, AllocSite::kBootTrampoline, {.size = page, .align = page, .max = kMiB});
    if (trampoline)
        platform::own({*trampoline, page}, Owner::kNobody, Owner::kKernel);
    else
        BATON_WARN();
    expect_recorded(memblock::reserve(k.memblock, {{0}, kMiB}));
    expect_recorded(memblock::set_memory_flag(k.memblock, {{0}, kMiB}, kMemblockKhoScratch, false));
}

}  // namespace

void setup_x86_64(Kernel& k) {
    platform::at(Site::kBootProtocol, k.boot.argument.value);
    const PhysAddr setup_data = read_zero_page(k);
    reserve_early(k, setup_data);
    parse_setup_data(k, setup_data);
    mm::parse_early_options(k, k.command_line());
    kho::parse_early_options(k, k.command_line());
    make_ram_known(k);
    // Linux asks when the direct map is there. Here it is the entry code's map that covers the tables, and nothing has
    // been allocated that could lie on them.
    take_nodes_x86_64(k);
    place_trampoline(k);
    // Linux raises the limit when the direct map is there. Ours is built by the caller right after this, from memblock
    // itself, and needs no mapping of what it writes (paging::init_kernel_space), so the limit is raised here.
    k.memblock.current_limit = memblock::end_of_dram(k.memblock).value;
}

}  // namespace baton::boot
