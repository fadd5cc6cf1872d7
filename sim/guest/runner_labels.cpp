// SPDX-License-Identifier: GPL-2.0-only
// Schedule points of machine code (decision D7): the guest twin of sim/native/relocator.cpp.
//
// Relocation and purgatory cannot call the port, so their points fire when the CPU reaches the addresses that the image
// header names. What a point says — which page went where, which region was hashed — is read from RAM, from the entry
// list and the region table, in step with the machine code. So a point tells what the code was told to do; that it did
// so is what the comparison of RAM with the native twin is for.
#include <algorithm>
#include <utility>

#include "model/kernel.hpp"
#include "model/kexec/kexec.hpp"
#include "sim/guest/runner.hpp"
#include "sim/native/host.hpp"

namespace baton::sim {
namespace {

/// Lets the checks that native kernels go through run here: reading what is not RAM throws the fault.
class Checker final : public NativeHost {
public:
    [[noreturn]] void fault(const Fault& fault) override { throw fault; }
    [[noreturn]] void jump(const platform::Jump&) override { throw Fault{}; }
    [[noreturn]] void enter(PhysAddr, u64, PhysAddr) override { throw Fault{}; }
    void at(Site, u64, u64) override {}
    void charge(Work, u64) override {}
    void own(PhysRange, Owner, Owner) override {}
    u64 mmio_read(PhysAddr, u32) override { return 0; }
    void mmio_write(PhysAddr, u32, u64) override {}
    void log(LogLevel, Log, const u64 (&)[4]) override {}
    void warn(u32, u32) override {}
    u64 now() override { return 0; }
    u64 random(u32) override { return 0; }
    void relax() override {}
    void load_root(PhysAddr, u32) override {}
    void reply(u64) override {}
    void idle() override {}
};

}  // namespace

template <class F>
auto GuestRunner::with_ram_view(F&& check) -> decltype(check()) {
    Checker checker;
    NativeHost* const self = &checker;
    NativeHost* const outer_host = std::exchange(native_host, self);
    const platform::RamView outer_ram = std::exchange(platform::ram_view, memory_.view());
    decltype(check()) result = std::unexpected(Fault{});
    try {
        result = check();
    } catch (const Fault& fault) {
        result = std::unexpected(fault);
    }
    platform::ram_view = outer_ram;
    native_host = outer_host;
    return result;
}

// --- where ----------------------------------------------------------------------------------------------------------

void GuestRunner::watch(u64 pc, void (GuestRunner::*event)()) {
    labels_.push_back(engine_->on_code(pc, pc, [this, event](u64 at) { on_label(at, event); }));
}

void GuestRunner::watch_relocation() {
    labels_.clear();
    flush_code_ = true;  // hooks are part of translated code
    written_unclaimed_ = {{jump_.control_page, geometry().page_size()}};
    if (jump_.three_way_swap) written_unclaimed_.push_back({jump_.swap_page, jump_.page_size});
    destination_ = list_ = source_ = {};
    moving_ = false;
    static constexpr std::pair<ImageLabel, void (GuestRunner::*)()> kEvents[] = {
        {kLabelRelocateStart, &GuestRunner::on_relocate_start},
        {kLabelRelocateWord, &GuestRunner::on_relocate_word},
        {kLabelRelocatePage, &GuestRunner::on_relocate_page},
        {kLabelRelocateDone, &GuestRunner::on_relocate_done},
    };
    for (const auto& [label, event] : kEvents)
        if (header_.labels[label] != 0) watch(jump_.control_page.value + header_.labels[label], event);
}

void GuestRunner::watch_purgatory() {
    const u64 blob = jump_.start.value - kexec::kPurgatoryEntryOffset;
    next_region_ = 0;
    watch(jump_.start.value, &GuestRunner::on_purgatory_start);
    static constexpr std::pair<ImageLabel, void (GuestRunner::*)()> kEvents[] = {
        {kLabelPurgatoryRegion, &GuestRunner::on_purgatory_region},
        {kLabelPurgatoryDone, &GuestRunner::on_purgatory_done},
        {kLabelPurgatoryLoop, &GuestRunner::on_purgatory_loop},
    };
    for (const auto& [label, event] : kEvents)
        if (header_.labels[label] != 0) watch(blob + header_.labels[label], event);
}

void GuestRunner::watch_entry(PhysAddr entry) {
    entered_ = false;
    watch(entry.value, &GuestRunner::on_entry);
    flush_code_ = true;
}

// The callback of a label comes again when the CPU was stopped in it.
void GuestRunner::on_label(u64 pc, void (GuestRunner::*event)()) {
    // A kernel is entered once; one that loops through its first instruction is silent.
    const bool entry = event == &GuestRunner::on_entry;
    if (stop_ || (entry && entered_ && announced_label_ != pc)) return;
    label_seen_ = pc;
    if (announced_label_ == pc) {
        announced_label_.reset();
        return;
    }
    at_doorbell_ = false;
    begin_call();
    (this->*event)();
    deliver();
    end_call();
    announced_label_ = stopping_ ? std::optional<u64>(pc) : std::nullopt;
}

// --- relocation -----------------------------------------------------------------------------------------------------

// Decides as the machine code does: x86-64 looks at the bits from the lowest up, AArch64 from the highest down.
void GuestRunner::take_word(u64 word) {
    const PhysAddr address{word & ~(jump_.page_size - 1)};
    moving_ = false;
    const bool destination = (word & kEntryDestination) != 0;
    const bool indirection = (word & kEntryIndirection) != 0;
    const bool source = (word & kEntrySource) != 0;
    if ((word & kEntryDone) != 0 && !(x86() && (destination || indirection))) return;
    if (x86() ? destination : destination && !source && !indirection) {
        destination_ = address;
    } else if (x86() ? indirection : indirection && !source) {
        list_ = address;
    } else if (source) {
        source_ = address;
        moving_ = true;
    }
}

void GuestRunner::on_relocate_start() {
    announce_site(Site::kRelocateStart, jump_.head, jump_.start.value);
    take_word(jump_.head);
}

void GuestRunner::on_relocate_word() {
    const u64 word = memory_.load<u64>(list_).value_or(0);
    list_ += sizeof(u64);
    announce_work(Work::kEntriesWalked, 1);
    take_word(word);
}

void GuestRunner::on_relocate_page() {
    const PhysRange to{destination_, jump_.page_size};
    memory_.mark_ram(to);
    if (jump_.three_way_swap) memory_.mark_ram({source_, jump_.page_size});
    announce_work(jump_.three_way_swap ? Work::kPagesSwapped : Work::kPagesCopied, 1);
    announce_site(Site::kRelocatePage, destination_.value, source_.value);
    destination_ += jump_.page_size;
    moving_ = false;
}

// The last label: everything that was translated may be overwritten by now (decision D36).
void GuestRunner::on_relocate_done() {
    announce_site(Site::kRelocateDone);
    flush_code_ = true;
    phase_ = x86() ? Phase::kPurgatory : Phase::kEntry;
    if (x86())
        watch_purgatory();
    else
        next_entry_ = jump_.start;
}

// --- purgatory ------------------------------------------------------------------------------------------------------

void GuestRunner::on_purgatory_start() {
    announce_site(Site::kPurgatoryStart, jump_.start.value);
    pending_.push_back({Announcement::Kind::kPurgatoryCheck, 0, 0, 0});
}

void GuestRunner::examine_purgatory() {
    const auto checked = with_ram_view([&] { return check_purgatory(jump_.start); });
    if (!checked) return fault(checked.error());
    purgatory_ = *checked;
    written_unclaimed_.push_back({jump_.start - kexec::kPurgatoryEntryOffset, purgatory_.size});
}

void GuestRunner::on_purgatory_region() {
    const PhysAddr table = jump_.start - kexec::kPurgatoryEntryOffset + purgatory_.regions;
    for (; next_region_ < kexec::kPurgatoryRegions; ++next_region_) {
        const PhysAddr at = table + next_region_ * sizeof(kexec::PurgatoryRegion);
        const u64 start = memory_.load<u64>(at).value_or(0);
        const u64 bytes = memory_.load<u64>(at + sizeof(u64)).value_or(0);
        if (bytes == 0) continue;
        ++next_region_;
        announce_work(Work::kBytesHashed, bytes);
        announce_site(Site::kPurgatoryRegion, start, bytes);
        return;
    }
}

void GuestRunner::on_purgatory_done() {
    announce_site(Site::kPurgatoryDone);
    // A device or the host may still change the registers inside this point: they are read after it.
    entry_from_registers_ = true;
}

void GuestRunner::on_purgatory_loop() {
    fault({.kind = Fault::Kind::kPurgatoryLoop, .args = {(jump_.start - kexec::kPurgatoryEntryOffset).value, 0, 0}});
}

// --- kernel entry ---------------------------------------------------------------------------------------------------

void GuestRunner::on_entry() {
    phase_ = Phase::kEntry;
    entered_ = true;
    const bool moved = std::exchange(moved_, false);
    const PhysAddr at{engine_->pc()};
    const Entry entry{moved ? at - kMovedEntryOffsetX86 + kEntryOffsetX86 : at,
                      read_register(*engine_, x86() ? "rsi" : "x0")};
    const auto found = with_ram_view([&] { return check_image(isa_, entry); });
    if (!found) return fault(found.error());
    image_ = found->image;
    const u8* const header = memory_.bytes({found->header, sizeof(header_)});
    std::copy_n(header, sizeof(header_), reinterpret_cast<u8*>(&header_));
    memstart_ = {};
    served_ = 0;
    record_ = {};
    if (!x86() || moved) return;
    announce_site(Site::kDecompress, found->image.value, entry.argument);
    announce_work(Work::kBytesDecompressed, found->file_size);
}

}  // namespace baton::sim
