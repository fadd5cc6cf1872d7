// SPDX-License-Identifier: GPL-2.0-only
// reserve_mem=<size>:<align>:<name>: memory that userspace finds again by name (specs/memblock.md §6, kho.md §3.12).
//
// Without KHO a region is a boot-time allocation and only likely to lie where it lay before. With KHO it is preserved,
// and the next kernel, asked for the same size and a compatible alignment, takes it over without allocating. Anything
// that does not fit is a fresh allocation, on a KHO boot from scratch (B36).
#include <libfdt.h>

#include <algorithm>

#include "model/bits.hpp"
#include "model/kho/fdt.hpp"
#include "model/mm/early_alloc.hpp"
#include "model/text.hpp"

namespace baton::reserve_mem {
namespace {

inline constexpr u64 kCacheLine = 64;

struct Request {
    u64 size;
    u64 align;
    std::string_view name;
};

bool is_blank(std::string_view name) {
    return std::all_of(name.begin(), name.end(), [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
}

/// The syntax alone. The alignment may be empty (0). One that is no power of two has no meaning and is refused.
Result<Request> parse(std::string_view s) {
    const auto size = text::take_size(s);
    if (!size || *size == 0 || !s.starts_with(':')) return fail(Errno::kEINVAL);
    s.remove_prefix(1);
    const u64 align = text::take_size(s).value_or(0);
    if (!s.starts_with(':')) return fail(Errno::kEINVAL);
    s.remove_prefix(1);
    if (s.empty() || s.size() >= kReserveMemNameMax || is_blank(s)) return fail(Errno::kEINVAL);
    if (align != 0 && !is_power_of_two(align)) return fail(Errno::kEINVAL);
    return Request{*size, std::max(align, kCacheLine), s};
}

ReserveMemEntry& append(Kernel& k, const Request& r, PhysAddr start, bool revived) {
    ReserveMem& rm = k.reserve_mem;
    BATON_ASSERT(rm.count < kReserveMemMax);
    ReserveMemEntry& e = rm.entries[rm.count++];
    e = {.name = {}, .start = start, .size = r.size, .align = r.align, .revived = revived ? 1u : 0u, .padding = 0};
    std::copy(r.name.begin(), r.name.end(), e.name);
    const PackedName name = pack_name(r.name);
    platform::log(LogLevel::kInfo, revived ? Log::kReserveMemRevived : Log::kReserveMemNew, name.lo, name.hi,
                  start.value, r.size);
    return e;
}

/// Takes the region over from the incoming blob. The blob is another kernel's word: its header is checked before it is
/// walked, but its address is followed (outside RAM that is the end of this kernel, as of Linux).
bool revive(Kernel& k, const Request& r) {
    const auto blob = kho::retrieve_subtree(k, kho::kMemblockSubtree);
    if (!blob) return false;
    const kho::FdtView view = kho::open_fdt(blob->phys, geometry(k).page_size());
    if (view.error != 0 || fdt_node_check_compatible(view.tree, 0, kho::kMemblockCompatible) != 0) return false;
    const int node = fdt_subnode_offset_namelen(view.tree, 0, r.name.data(), static_cast<int>(r.name.size()));
    if (node < 0) return false;
    const auto start = kho::u64_property(view.tree, node, "start");
    const auto size = kho::u64_property(view.tree, node, "size");
    const bool known = fdt_node_check_compatible(view.tree, node, kho::kReserveMemCompatible) == 0;
    if (!known || !start || !size || *size != r.size || !is_aligned(*start, r.align)) {
        const PackedName name = pack_name(r.name);
        platform::log(LogLevel::kWarn, Log::kReserveMemMismatch, name.lo, name.hi, start.value_or(0), size.value_or(0));
        return false;
    }
    append(k, r, {*start}, true);
    return true;
}

Status apply(Kernel& k, std::string_view value) {
    if (k.reserve_mem.count == kReserveMemMax) return fail(Errno::kEBUSY);
    const auto request = parse(value);
    if (!request) return fail(request.error());
    if (find(k, request->name) != nullptr) return fail(Errno::kEBUSY);
    if (revive(k, *request)) return {};
    const auto start = mm::early_alloc(k, AllocSite::kReserveMem, {.size = request->size, .align = request->align});
    if (!start) return fail(Errno::kENOMEM);
    platform::own({*start, request->size}, Owner::kNobody, Owner::kUser);
    append(k, *request, *start, false);
    return {};
}

}  // namespace

void parse_options(Kernel& k, std::string_view command_line) {
    std::size_t position = 0;
    while (const auto option = text::next_option(command_line, position)) {
        if (option->key != "reserve_mem") continue;
        const Status done = apply(k, option->value);
        if (!done) platform::log(LogLevel::kWarn, Log::kReserveMemBad, static_cast<u64>(done.error()));
    }
}

const ReserveMemEntry* find(const Kernel& k, std::string_view name) {
    const ReserveMem& rm = k.reserve_mem;
    BATON_ASSERT(rm.count <= kReserveMemMax);
    for (u32 i = 0; i < rm.count; ++i) {
        const ReserveMemEntry& e = rm.entries[i];
        if (std::string_view{e.name, strnlen(e.name, sizeof e.name)} == name) return &e;
    }
    return nullptr;
}

}  // namespace baton::reserve_mem
