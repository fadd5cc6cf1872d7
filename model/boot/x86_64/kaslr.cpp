// SPDX-License-Identifier: GPL-2.0-only
// Physical KASLR (specs/kexec.md §8; specs/kho.md §3.11): a choice among 2 MiB slots and one copy (decision D34).
//
// In Linux the decompressor does it, before the kernel proper exists. Here the image runs in place as far as this, then
// copies the bytes of its file, which nothing has changed since they were loaded, and is entered again at the copy;
// bss is cleared there. What the boot protocol passed stays where it is, so all of it is in the way: the image, the
// zero page, the command line, the initrd, every node of setup_data. Not modelled: memmap=, mem=, gigantic pages, EFI.
//
// KHO data limits the search to scratch: anywhere else there may be something preserved (B65). The scratch array lies
// in scratch and no list of Linux's names it (B70); where kexec_file_load puts it, it shares a slot with the zero page,
// which protects it by chance.
#include "model/boot/x86_64/kaslr.hpp"

#include <algorithm>
#include <optional>

#include "model/boot/x86_64/boot_params.hpp"
#include "model/boot/x86_64/zero_page.hpp"
#include "model/text.hpp"

namespace baton::boot {
namespace kaslr {
namespace {

inline constexpr u64 kLowestMax = 512 * kMiB;
inline constexpr u64 kEnd = 64 * kTiB;  // of the direct map of four-level tables

const BootParams& zero_page(const Entered& e) { return *ram::read<BootParams>(e.zero_page); }

/// Sizes come from RAM and may be anything.
PhysRange saturated(PhysAddr start, u64 size) { return {start, std::min(size, ~start.value)}; }

bool in_ram(const BootParams& params, PhysAddr a) {
    for (u32 i = 0; i < std::min<u32>(params.e820_entries, kE820EntriesMax); ++i) {
        const E820Entry& e = params.e820_table[i];
        if (e.type == static_cast<u32>(MemoryType::kRam) && saturated({e.start}, e.size).contains(a)) return true;
    }
    return false;
}

/// Copies the command line, which ends in front of `max` bytes in any case; its length. One that does not begin in RAM
/// is the kernel proper's to complain of.
u32 read_command_line(const BootParams& params, char* to, u32 max) {
    const PhysAddr from = command_line_of(params);
    if (from.value == 0 || !in_ram(params, from)) return 0;
    u32 n = 0;
    for (; n < max; ++n) {
        to[n] = ram::load<char>(from + n);
        if (to[n] == '\0') break;
    }
    platform::charge(Work::kBytesCopied, n + 1);
    return n;
}

u64 command_line_bytes(const BootParams& params) {
    char line[kCommandLineSizeMax];
    return u64{read_command_line(params, line, kCommandLineSizeMax)} + 1;
}

template <class F>
void each_setup_data(const BootParams& params, F&& visit) {
    for (PhysAddr at{params.header.setup_data}; at.value != 0;) {
        const auto node = ram::load<SetupData>(at);
        platform::charge(Work::kListLinks, 1);
        visit(at, node);
        at = node.next;
    }
}

/// The scratch array, if KHO data came along and this kernel looks at it.
PhysRange scratch_array(const Entered& e) {
    PhysRange found;
    if (!kho::is_built(e.config)) return found;
    each_setup_data(zero_page(e), [&](PhysAddr at, const SetupData& node) {
        if (node.type != kSetupKho || node.len != sizeof(kho::SetupDataKho) || !found.empty()) return;
        const auto data = ram::load<kho::SetupDataKho>(at + sizeof(SetupData));
        found = saturated(data.scratch_addr, data.scratch_size);
    });
    return found;
}

/// What the image must not be copied over.
struct Obstacles {
    const BootParams& params;
    PhysRange fixed[5];
};

Obstacles obstacles(const Entered& e, PhysRange array) {
    const BootParams& params = zero_page(e);
    const PhysRange initrd = initrd_of(params);
    Obstacles o{.params = params,
                .fixed = {{e.image, e.image_size},
                          {e.zero_page, sizeof(BootParams)},
                          saturated(command_line_of(params), command_line_bytes(params)),
                          saturated(initrd.start, initrd.size),
                          array}};
    // B70: a list of boot data has no place for what a node of setup_data points to.
    if (e.config.defect(Defect::kB70)) [[unlikely]]
        o.fixed[4] = {};
    return o;
}

/// The lowest obstacle that reaches into `window`. The list of setup_data is followed each time; one that bites its
/// tail is followed for ever, as in Linux.
std::optional<PhysRange> first_obstacle(const Obstacles& o, PhysRange window) {
    std::optional<PhysRange> first;
    const auto consider = [&](PhysRange r) {
        if (r.overlaps(window) && (!first || r.start < first->start)) first = r;
    };
    for (const PhysRange& r : o.fixed) consider(r);
    each_setup_data(o.params, [&](PhysAddr at, const SetupData& node) {
        consider(saturated(at, sizeof(SetupData) + u64{node.len}));
        if (node.type != kSetupIndirect || node.len < sizeof(SetupDataIndirect)) return;
        const auto indirect = ram::load<SetupDataIndirect>(at + sizeof(SetupData));
        if (indirect.type != kSetupIndirect) consider(saturated(indirect.addr, indirect.len));
    });
    return first;
}

struct Search {
    Obstacles in_the_way;
    u64 lowest;  // where a slot may start
    u64 needed;  // bytes
};

void add_area(Slots& slots, u64 start, u64 bytes, u64 needed) {
    if (bytes < needed) return;
    const u64 count = 1 + (bytes - needed) / kSlotBytes;
    slots.areas[slots.area_count++] = {{start}, count};
    slots.total += count;
}

void add_region(const Search& s, PhysRange region, Slots& slots) {
    const u64 end = std::min(region.end().value, kEnd);
    for (u64 at = std::max(region.start.value, s.lowest); at < end;) {
        platform::charge(Work::kListLinks, 1);
        at = align_up(at, kSlotBytes);
        if (at >= end || end - at < s.needed) return;
        if (slots.area_count == kAreasMax) {
            slots.full = true;
            return;
        }
        const auto hit = first_obstacle(s.in_the_way, {{at}, end - at});
        const u64 free_end = hit ? std::max(hit->start.value, at) : end;
        add_area(slots, at, free_end - at, s.needed);
        at = hit ? hit->end().value : end;
    }
}

void add_scratch(const Search& s, PhysRange array, Slots& slots) {
    for (u64 i = 0; i < array.size / sizeof(kho::ScratchArea); ++i) {
        const auto area = ram::load<kho::ScratchArea>(array.start + i * sizeof(kho::ScratchArea));
        platform::charge(Work::kListLinks, 1);
        add_region(s, saturated(area.addr, area.size), slots);
    }
}

void add_ram(const Search& s, const BootParams& params, Slots& slots) {
    for (u32 i = 0; i < std::min<u32>(params.e820_entries, kE820EntriesMax); ++i) {
        const E820Entry& e = params.e820_table[i];
        if (e.type == static_cast<u32>(MemoryType::kRam)) add_region(s, saturated({e.start}, e.size), slots);
    }
}

bool limited_to_scratch(const Entered& e, PhysRange array) {
    if (array.size < sizeof(kho::ScratchArea)) return false;
    // B65: as if nothing had been handed over.
    return !e.config.defect(Defect::kB65);
}

bool switched_off(const Entered& e) {
    char line[kCommandLineSizeMax];
    const u32 bytes = read_command_line(zero_page(e), line, kCommandLineSizeMax);
    const auto option = text::last_option({line, bytes}, "nokaslr");
    return option && !option->has_value;
}

}  // namespace

void find_slots(const Entered& e, Slots& slots) {
    const PhysRange array = scratch_array(e);
    const Search s{.in_the_way = obstacles(e, array),
                   .lowest = std::min(e.image.value, kLowestMax),
                   .needed = align_up(e.image_size, kSlotBytes)};
    if (limited_to_scratch(e, array))
        add_scratch(s, array, slots);
    else
        add_ram(s, zero_page(e), slots);
}

PhysAddr slot_at(const Slots& slots, u64 index) {
    BATON_ASSERT(index < slots.total);
    for (u32 i = 0;; ++i) {
        const SlotArea& area = slots.areas[i];
        if (index < area.count) return area.first + index * kSlotBytes;
        index -= area.count;
    }
}

}  // namespace kaslr

void randomise_x86_64(PhysAddr image, const ImageHeader& header, PhysAddr zero_page) {
    const kaslr::Entered entered{image, header.image_size, zero_page, config_of(header)};
    if (!entered.config.option(kOptionKaslr)) return;
    platform::at(Site::kKaslrChoose, image.value, zero_page.value);
    if (kaslr::switched_off(entered)) return platform::log(LogLevel::kInfo, Log::kKaslrOff);
    kaslr::Slots slots;
    kaslr::find_slots(entered, slots);
    if (slots.full) platform::log(LogLevel::kInfo, Log::kKaslrFull, kaslr::kAreasMax);
    if (slots.total == 0)
        return platform::log(LogLevel::kWarn, Log::kKaslrNoSlot, header.image_size / kKiB, image.value);
    const u64 random = platform::random(kRandomKaslr);
    const PhysAddr slot = kaslr::slot_at(slots, random % slots.total);
    platform::log(LogLevel::kInfo, Log::kKaslrMoves, image.value, slot.value, slots.total);
    const u64 bytes = std::min(header.file_size, header.image_size);
    ram::copy(slot, image, bytes);
    const Geometry& g = platform::target_geometry(static_cast<GeometryId>(header.geometry));
    platform::charge(Work::kPagesCopied, div_round_up(bytes, g.page_size()));
    platform::at(Site::kKaslrCopy, image.value, slot.value);
    platform::enter(slot, zero_page.value, image);
}

}  // namespace baton::boot
