// SPDX-License-Identifier: GPL-2.0-only
#include "model/kexec/entry_list.hpp"

#include "model/kernel.hpp"
#include "model/kexec/pages.hpp"

namespace baton::kexec {

void init_list(Kimage& image) {
    image.head = 0;
    image.entry = kHeadSlot;
    image.last_entry = kHeadSlot;
    image.source_pages = 0;
}

void store_entry(Kimage& image, PhysAddr slot, u64 entry) {
    if (slot == kHeadSlot)
        image.head = entry;
    else
        ram::store(slot, entry);
}

Status append(Kernel& k, Kimage& image, u64 entry) {
    if (image.entry == image.last_entry) {
        const u64 page_size = geometry(k).page_size();
        const Result<PhysAddr> page = alloc_source_page(k, image, kNoDestination);
        if (!page) return fail(page.error());
        platform::own({*page, page_size}, Owner::kImageSource, Owner::kImageList);
        store_entry(image, image.entry, page->value | kEntryIndirection);
        image.entry = *page;
        image.last_entry = *page + (page_size - sizeof(u64));
    }
    BATON_ASSERT(image.entry < image.last_entry);
    store_entry(image, image.entry, entry);
    image.entry += sizeof(u64);
    store_entry(image, image.entry, 0);
    platform::charge(Work::kListLinks, 1);
    return {};
}

void terminate(Kimage& image) { store_entry(image, image.entry, kEntryDone); }

void free_list(Kernel& k, Kimage& image) {
    // A page of words is freed only when the walk has left it.
    std::optional<PhysAddr> list_page;
    for (EntryWalker w(image, geometry(k).page_size()); w.next();) {
        if (w.is_source()) release_page(k, w.address(), Owner::kImageSource);
        if (!w.is_indirection()) continue;
        if (list_page) release_page(k, *list_page, Owner::kImageList);
        list_page = w.address();
    }
    if (list_page) release_page(k, *list_page, Owner::kImageList);
    init_list(image);
}

bool EntryWalker::next() {
    slot_ = next_slot_;
    entry_ = slot_ == kHeadSlot ? image_.head : ram::load<u64>(slot_);
    platform::charge(Work::kEntriesWalked, 1);
    destination_ = next_destination_;
    // After `head` comes the page that it links to, or nothing.
    if (slot_ != kHeadSlot) next_slot_ = slot_ + sizeof(u64);
    if (entry_ & kEntryDestination)
        next_destination_ = address();
    else if (entry_ & kEntryIndirection)
        next_slot_ = address();
    else if ((entry_ & kEntryDone) || entry_ == 0)
        return false;
    else if (entry_ & kEntrySource)
        next_destination_ = destination_ + page_size_;
    return slot_ != kHeadSlot || (entry_ & kEntryIndirection) != 0;
}

}  // namespace baton::kexec
