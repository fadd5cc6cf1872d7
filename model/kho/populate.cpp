// SPDX-License-Identifier: GPL-2.0-only
// The first minutes of the incoming side: is this handover one of ours, and where may we allocate (specs/kho.md §3.7).
//
// A reject never harms: the kernel warns and boots cold, and what was preserved is lost. Regions that were flagged
// before a failing step stay flagged (B71). Two things upstream leaves to luck are rejects here: an FDT or array
// outside known RAM (upstream maps whatever it is told), and an FDT that claims to be longer than what was handed over.
#include <libfdt.h>

#include <algorithm>

#include "model/kho/fdt.hpp"
#include "model/kho/metadata.hpp"
#include "model/kho/scratch.hpp"

namespace baton::kho {
namespace {

/// Whether a range is RAM, as far as is known this early: x86-64 has its e820 but an empty memblock, AArch64 has
/// memblock. When neither knows anything, everything may be RAM, and the first access decides.
bool may_be_ram(const Kernel& k, PhysRange r) {
    const BootInfo& boot = k.boot;
    if (boot.memory_map_count == 0 && k.memblock.memory.total_size == 0) return true;
    if (r.end() < r.start) return false;
    for (u64 i = 0; i < boot.memory_map_count && i < kMemoryMapMax; ++i) {
        const MemoryMapEntry& e = boot.memory_map[i];
        platform::charge(Work::kListLinks, 1);
        if (e.type == static_cast<u32>(MemoryType::kRam) && PhysRange{e.start, e.size}.contains(r)) return true;
    }
    return !r.empty() && is_memory(k, r.start, r.size);
}

// Each way to be turned down has a line of its own, with two numbers that tell what was wrong.
bool reject(Log why, u64 what, u64 detail) {
    platform::log(LogLevel::kWarn, why, what, detail);
    return false;
}

bool fdt_is_ours(Kernel& k, const KhoIncoming& in) {
    platform::at(Site::kKhoPopulateFdt, in.fdt.value, in.fdt_size);
    const u64 at = in.fdt.value;
    if (!may_be_ram(k, {in.fdt, in.fdt_size})) return reject(Log::kKhoRejectFdtNotRam, at, in.fdt_size);
    if (in.fdt_size < sizeof(fdt_header)) return reject(Log::kKhoRejectFdtTooSmall, at, in.fdt_size);
    const FdtView view = open_fdt(in.fdt, std::min(in.fdt_size, geometry(k).page_size()));
    if (view.error != 0) return reject(Log::kKhoRejectHeader, at, static_cast<u64>(-view.error));
    const int compatible = fdt_node_check_compatible(view.tree, 0, k.rules().compatible);
    if (compatible < 0) return reject(Log::kKhoRejectNoCompatible, at, static_cast<u64>(-compatible));
    if (compatible != 0) return reject(Log::kKhoRejectCompatible, at, 0);
    if (u64_property(view.tree, 0, kMapProperty).value_or(0) == 0) {
        // B31: nobody looked. Subtrees are found, and nothing protects what they name.
        if (!k.defect(Defect::kB31)) [[likely]]
            return reject(Log::kKhoRejectMap, at, 0);
    }
    return true;
}

bool adopt_area(Kernel& k, const ScratchArea& area) {
    if (area.size == 0) return true;  // legal (§10.8)
    const PhysRange range{area.addr, area.size};
    if (range.end() < range.start) return reject(Log::kKhoRejectAreaWraps, area.addr.value, area.size);
    if (!memblock::add(k.memblock, range)) return reject(Log::kKhoRejectAreaAdd, area.addr.value, area.size);
    if (!memblock::set_memory_flag(k.memblock, range, kMemblockKhoScratch, true))
        return reject(Log::kKhoRejectAreaFlag, area.addr.value, area.size);
    platform::at(Site::kKhoPopulateScratch, area.addr.value, area.size);
    return true;
}

bool array_is_sane(const Kernel& k, const KhoIncoming& in) {
    const u64 at = in.scratch.value;
    const u64 bytes = in.scratch_bytes;
    if (bytes == 0) return reject(Log::kKhoRejectScratchEmpty, at, bytes);
    if (bytes % sizeof(ScratchArea) != 0) return reject(Log::kKhoRejectScratchRagged, at, bytes);
    if (bytes / sizeof(ScratchArea) > kScratchAreasMax) return reject(Log::kKhoRejectScratchLong, at, bytes);
    if (!may_be_ram(k, {in.scratch, bytes})) return reject(Log::kKhoRejectScratchNotRam, at, bytes);
    return true;
}

/// Bytes of scratch, or nothing: the array cannot be used.
std::optional<u64> adopt_areas(Kernel& k, const KhoIncoming& in) {
    if (!array_is_sane(k, in)) return {};
    u64 bytes = 0;
    for (u64 i = 0; i < in.scratch_bytes / sizeof(ScratchArea); ++i) {
        const auto area = ram::load<ScratchArea>(in.scratch + i * sizeof(ScratchArea));
        platform::charge(Work::kListLinks, 1);
        if (!adopt_area(k, area)) return {};
        bytes += area.size;
    }
    if (!memblock::reserve(k.memblock, {in.scratch, in.scratch_bytes})) {
        reject(Log::kKhoRejectScratchReserve, in.scratch.value, in.scratch_bytes);
        return {};
    }
    return bytes;
}

bool adopt(Kernel& k, const KhoIncoming& in) {
    if (!fdt_is_ours(k, in)) return false;
    const auto scratch = adopt_areas(k, in);
    if (!scratch) return false;
    k.memblock.scratch_only = 1;
    k.kho.incoming = in;
    k.kho.is_kho_boot = 1;
    k.kho.scratch_inherited = 1;
    k.kho.scratch = in.scratch;
    k.kho.scratch_count = in.scratch_bytes / sizeof(ScratchArea);
    platform::log(LogLevel::kInfo, Log::kKhoRevived, in.fdt.value, k.kho.scratch_count);
    platform::log(LogLevel::kInfo, Log::kBootScratchOnly, *scratch / kKiB, k.kho.scratch_count);
    return true;
}

}  // namespace

void populate(Kernel& k, const KhoIncoming& incoming) {
    if (!is_built(k.config)) return platform::log(LogLevel::kWarn, Log::kKhoNotBuilt);
    if (!adopt(k, incoming)) platform::log(LogLevel::kWarn, Log::kKhoRevivalDisabled);
}

}  // namespace baton::kho
