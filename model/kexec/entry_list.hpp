// SPDX-License-Identifier: GPL-2.0-only
// The entry list of an image (specs/kexec.md §2): 64-bit words, a page-aligned physical address with a flag below it.
//
// Words stand in indirection pages; the last word of such a page only ever links to the next one or says DONE. `head`,
// in the Kimage, links to the first. The word after the last one appended is 0, so a list is walkable while it grows.
#pragma once

#include <optional>

#include "model/kexec/kexec.hpp"

namespace baton::kexec {

/// "The slot is Kimage::head", as the address of a slot.
inline constexpr PhysAddr kHeadSlot{~u64{0}};

/// An empty list.
void init_list(Kimage& image);
/// Adds a word; takes an indirection page when the current one is full. ENOMEM.
Status append(Kernel& k, Kimage& image, u64 entry);
/// Writes DONE: the list is complete.
void terminate(Kimage& image);
/// Frees every source and indirection page; the list is empty again.
void free_list(Kernel& k, Kimage& image);
/// Changes the word at `slot`.
void store_entry(Kimage& image, PhysAddr slot, u64 entry);

/// The slot of the SOURCE whose page goes to `destination`, or nothing. It charges the walk of every word up to there,
/// as EntryWalker would, and goes by whole pages of words.
std::optional<PhysAddr> find_source(const Kimage& image, u64 page_size, PhysAddr destination);

/// Visits every word in the order of the relocation code, charging one kEntriesWalked each. It stops at DONE, and
/// where the list so far ends. A list that was overwritten with a cycle ends by the hang budget.
class EntryWalker {
public:
    EntryWalker(const Kimage& image, u64 page_size) : image_(image), page_size_(page_size) {}
    /// False at the end; otherwise the accessors describe the word found.
    bool next();
    u64 entry() const { return entry_; }
    PhysAddr slot() const { return slot_; }
    PhysAddr address() const { return {entry_ & ~(page_size_ - 1)}; }
    bool is_source() const { return (entry_ & kEntryFlags) == kEntrySource; }
    bool is_indirection() const { return (entry_ & kEntryFlags) == kEntryIndirection; }
    /// Where the source page goes.
    PhysAddr destination() const { return destination_; }

private:
    const Kimage& image_;
    u64 page_size_;
    PhysAddr next_slot_ = kHeadSlot;
    PhysAddr slot_ = kHeadSlot;
    u64 entry_ = 0;
    PhysAddr destination_{};
    PhysAddr next_destination_{};
};

}  // namespace baton::kexec
