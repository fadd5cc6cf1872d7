// SPDX-License-Identifier: GPL-2.0-only
// From an exception to a verdict, and the report about it (decision D29).
#include <fmt/format.h>

#include "model/kernel.hpp"
#include "sim/guest/runner.hpp"

namespace baton::sim {
namespace {

inline constexpr u32 kProtectionX86 = 13;
inline constexpr u32 kPageFaultX86 = 14;
// AArch64 exception classes: aborts of fetches and of data, from a lower and from the same level.
inline constexpr u32 kFetchAbortLow = 0x20;
inline constexpr u32 kFetchAbort = 0x21;
inline constexpr u32 kDataAbortLow = 0x24;
inline constexpr u32 kDataAbort = 0x25;

bool has_address(Isa isa, u32 vector) {
    if (isa == Isa::kX86_64) return vector == kPageFaultX86;
    return vector == kFetchAbortLow || vector == kFetchAbort || vector == kDataAbortLow || vector == kDataAbort;
}

constexpr bool canonical(u64 va) { return va + (u64{1} << 47) < u64{1} << 48; }

}  // namespace

PageWalk GuestRunner::walk(VirtAddr va, WalkAccess access) const {
    const Engine& e = *engine_;
    if (x86()) {
        const X86Paging paging{read_register(e, "cr0"), read_register(e, "cr3"), read_register(e, "cr4"),
                               read_register(e, "efer")};
        return walk_x86_64(memory_, paging, va, access);
    }
    const ArmPaging paging{read_register(e, "sctlr_el1"), read_register(e, "tcr_el1"), read_register(e, "ttbr0_el1"),
                           read_register(e, "ttbr1_el1")};
    return walk_aarch64(memory_, paging, va, access);
}

// AArch64 decides where its direct map begins while it boots.
void GuestRunner::note_memstart() {
    const u8* const bytes = memory_.bytes({image_ + kKernelOffset, sizeof(Kernel)});
    if (bytes != nullptr) memstart_ = reinterpret_cast<const Kernel*>(bytes)->memstart;
}

std::optional<PhysAddr> GuestRunner::direct_mapped(u64 va) const {
    const Geometry& g = geometry();
    const u64 reach = x86() ? 64 * kTiB : u64{1} << (g.va_bits - 1);
    if (va - g.direct_map_base >= reach) return std::nullopt;
    return PhysAddr{va - g.direct_map_base + memstart_.value};
}

// The page below a stack, whichever mapping it is used through.
bool GuestRunner::in_guard_page(u64 va) const {
    const Geometry& g = geometry();
    const u64 page = g.page_size();
    const auto below = [&](u64 stack) { return va >= stack - page && va < stack; };
    if (below(g.kernel_text_base + kBootStackOffset)) return true;
    const u8* const bytes = memory_.bytes({image_ + kKernelOffset, sizeof(Kernel)});
    if (bytes == nullptr) return false;
    const PhysAddr stack = reinterpret_cast<const Kernel*>(bytes)->stack;
    const u64 to_virtual = g.direct_map_base - memstart_.value;
    return below((image_ + kBootStackOffset).value + to_virtual) ||
           (stack.value != 0 && below(stack.value + to_virtual));
}

// What a fault in the relocation code is about, in the twin's terms: a page, or a word of the list.
u64 GuestRunner::bytes_being_moved() const {
    return phase_ == Phase::kRelocation && moving_ ? jump_.page_size : sizeof(u64);
}

// Likewise, where. AArch64 relocates through the direct map, however far that leads. An address that is not canonical
// is a general protection fault on x86-64, which names none: then it is what the next access was for.
u64 GuestRunner::relocated_address(const CpuStop& stop) const {
    if (!has_address(isa_, stop.vector)) {
        if (!x86() || stop.vector != kProtectionX86) return stop.pc;
        return (!moving_ ? list_ : canonical(source_.value) ? destination_ : source_).value;
    }
    return x86() || stop.address == stop.pc ? stop.address
                                            : stop.address - geometry().direct_map_base + memstart_.value;
}

void GuestRunner::exception(const CpuStop& stop) {
    const bool addressed = has_address(isa_, stop.vector);
    if (addressed) fault_address_ = stop.address;
    if (phase_ != Phase::kKernel) {
        const u64 about = phase_ == Phase::kRelocation ? relocated_address(stop) : addressed ? stop.address : stop.pc;
        return fault({.kind = Fault::Kind::kTripleFault,
                      .args = {about, bytes_being_moved(), 0},
                      .line = static_cast<u32>(stop.code)});
    }
    note_memstart();
    if (addressed && stop.address != stop.pc) {
        if (in_guard_page(stop.address)) return fault({.kind = Fault::Kind::kStackOverflow});
        const auto direct = direct_mapped(stop.address);
        if (direct && !memory_.is_ram({*direct, 1}))
            return fault({.kind = Fault::Kind::kBadAccess, .args = {direct->value, 1, 0}});
    }
    fault({.kind = Fault::Kind::kGuestException,
           .args = {stop.vector, stop.pc, addressed ? stop.address : 0},
           .line = static_cast<u32>(stop.code)});
}

void GuestRunner::bus_error(const CpuStop& stop) {
    const u64 bytes = phase_ == Phase::kRelocation ? bytes_being_moved() : stop.bytes;
    fault({.kind = Fault::Kind::kBadAccess, .args = {stop.address, bytes, 0}});
}

GuestRunner::Named GuestRunner::named(u64 va) const {
    static const SymbolTable kNone;
    Named n{symbol_files_.find(header_.text_xxh3), &kNone, va};
    if (n.symbols) n.table = &n.symbols->kernel;
    const u64 text = geometry().kernel_text_base;
    const u64 control = va - jump_.control_page.value;
    const u64 blob = va - (jump_.start.value - kexec::kPurgatoryEntryOffset);
    const u64 in_image = va - image_.value;
    if (jump_.control_page.value != 0 && control < header_.relocate_size) {
        n.address = text + header_.relocate_offset + control;
    } else if (jump_.start.value != 0 && phase_ != Phase::kKernel && blob < header_.purgatory_size) {
        n.address = blob;
        if (n.symbols) n.table = &n.symbols->purgatory;
    } else if (image_.value != 0 && in_image < header_.image_size) {
        n.address = text + in_image;
    }
    return n;
}

std::string GuestRunner::symbol(u64 va) const {
    const Named n = named(va);
    return n.table->at(n.address) != nullptr ? n.table->describe(n.address) : fmt::format("{:#x}", va);
}

CrashScene GuestRunner::scene() const {
    return {.engine = *engine_,
            .memory = memory_,
            .walk = [this](VirtAddr va, WalkAccess access) { return walk(va, access); },
            .symbol = [this](u64 va) { return symbol(va); },
            .function_start = [this](u64 va) -> std::optional<u64> {
                const Named n = named(va);
                const Symbol* s = n.table->at(n.address);
                if (s == nullptr) return std::nullopt;
                return va - (n.address - s->address);
            }};
}

GuestCrash GuestRunner::make_crash() const {
    GuestCrash crash = describe_crash(scene(), fault_address_);
    crash.verdict = verdict_of(stop_->fault.kind);
    crash.sites.assign(sites_.begin(), sites_.end());
    return crash;
}

}  // namespace baton::sim
