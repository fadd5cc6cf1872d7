// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/snapshot.hpp"

#include <algorithm>
#include <stdexcept>

namespace baton::sim {

u64 Snapshot::page_count() const {
    u64 count = 0;
    PageTree().for_each_difference(pages_, [&](u64, const Page*) { ++count; });
    return count;
}

const std::vector<u64>& RamSnapshots::dirty_frames() {
    frames_.clear();
    dirty_.frames().for_each([this](u64 frame) { frames_.push_back(frame); });
    return frames_;
}

Snapshot RamSnapshots::take() {
    using Ref = std::shared_ptr<const Page>;
    current_ = Snapshot(current_.pages_.with(dirty_frames(), [this](u64 frame, const Ref& old) -> Ref {
        const u8* now = memory_.frame(frame);
        // A frame that was rewritten with the same bytes keeps its page, and so its share in older snapshots.
        if (old != nullptr && std::memcmp(old->data(), now, kFrameSize) == 0) return old;
        if (memory_.is_background(now)) return nullptr;
        auto page = std::make_shared<Page>();
        std::memcpy(page->data(), now, kFrameSize);
        return page;
    }));
    dirty_.clear();
    return current_;
}

void RamSnapshots::restore(const Snapshot& snapshot) {
    current_.pages_.for_each_difference(snapshot.pages_, [this](u64 frame, const Page* page) {
        if (page != nullptr && !memory_.is_ram({{frame << kFrameShift}, kFrameSize}))
            throw std::invalid_argument("the snapshot is of a machine with other RAM");
    });
    restored_ = dirty_frames();
    for (const u64 frame : restored_) {
        const Page* page = snapshot.page(frame);
        memory_.set_frame(frame, page != nullptr ? page->data() : nullptr);
    }
    const std::size_t dirty = restored_.size();
    current_.pages_.for_each_difference(snapshot.pages_, [this](u64 frame, const Page* page) {
        memory_.set_frame(frame, page != nullptr ? page->data() : nullptr);
        restored_.push_back(frame);
    });
    if (restored_.size() != dirty) {
        std::ranges::sort(restored_);
        restored_.erase(std::unique(restored_.begin(), restored_.end()), restored_.end());
    }
    current_ = snapshot;
    memory_.collect();  // the writes above, for the other clients
    dirty_.clear();
}

}  // namespace baton::sim
