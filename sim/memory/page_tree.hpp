// SPDX-License-Identifier: GPL-2.0-only
// The contents of RAM as an immutable value: a radix tree from frame number to page, 64 children a node, whose versions
// share what they have in common.
//
// A new version copies the pages that changed and the nodes above them. The difference of two versions is found by
// walking both and skipping every node they share, so it costs what differs. A frame without a page is background.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "model/geometry.hpp"

namespace baton::sim {

using Page = std::array<u8, kFrameSize>;

/// A node covers 64^(kLevel + 1) frames. Level 5 covers 256 TiB.
template <u32 kLevel>
struct PageNode {
    using Child = PageNode<kLevel - 1>;
    std::array<std::shared_ptr<const Child>, 64> children;
};
template <>
struct PageNode<0> {
    using Child = Page;
    std::array<std::shared_ptr<const Child>, 64> children;
};

class PageTree {
public:
    /// This tree with other pages for `frames` (ascending): `page_for(frame, old)` returns the new one, `old` itself to
    /// keep it, or null for background.
    template <class PageFor>
    PageTree with(std::span<const u64> frames, PageFor&& page_for) const {
        return PageTree(frames.empty() ? root_ : replaced<kTopLevel>(root_, frames, page_for));
    }
    /// f(frame, page of `to` or null) for every frame whose page in `to` is another one, ascending.
    template <class F>
    void for_each_difference(const PageTree& to, F&& f) const {
        differences<kTopLevel>(root_.get(), to.root_.get(), 0, f);
    }
    /// Null for background.
    const Page* find(u64 frame) const { return find_below<kTopLevel>(root_.get(), frame); }

    PageTree() = default;
    /// The same version: not merely the same bytes.
    bool operator==(const PageTree&) const = default;

private:
    static constexpr u32 kTopLevel = 5;
    template <u32 kLevel>
    using Ref = std::shared_ptr<const PageNode<kLevel>>;

    explicit PageTree(Ref<kTopLevel> root) : root_(std::move(root)) {}
    static constexpr u64 slot_of(u64 frame, u32 level) { return frame >> (6 * level) & 63; }

    template <u32 kLevel, class PageFor>
    static Ref<kLevel> replaced(const Ref<kLevel>& old, std::span<const u64> frames, PageFor&& page_for) {
        auto node = old ? std::make_shared<PageNode<kLevel>>(*old) : std::make_shared<PageNode<kLevel>>();
        bool changed = false;
        while (!frames.empty()) {
            const u64 slot = slot_of(frames[0], kLevel);
            auto& child = node->children[slot];
            const auto before = child;
            if constexpr (kLevel == 0) {
                child = page_for(frames[0], before);
                frames = frames.subspan(1);
            } else {
                const auto end =
                    std::ranges::find_if(frames, [&](u64 f) { return slot_of(f, kLevel) != slot; }) - frames.begin();
                child = replaced<kLevel - 1>(before, frames.first(static_cast<u64>(end)), page_for);
                frames = frames.subspan(static_cast<u64>(end));
            }
            changed |= child != before;
        }
        if (!changed) return old;
        const bool empty = std::ranges::all_of(node->children, [](const auto& child) { return child == nullptr; });
        return empty ? nullptr : node;
    }

    template <u32 kLevel, class F>
    static void differences(const PageNode<kLevel>* from, const PageNode<kLevel>* to, u64 first, F&& f) {
        if (from == to) return;
        for (u64 i = 0; i < 64; ++i) {
            const auto* a = from != nullptr ? from->children[i].get() : nullptr;
            const auto* b = to != nullptr ? to->children[i].get() : nullptr;
            if (a == b) continue;
            const u64 frame = first + (i << (6 * kLevel));
            if constexpr (kLevel == 0)
                f(frame, b);
            else
                differences<kLevel - 1>(a, b, frame, f);
        }
    }

    template <u32 kLevel>
    static const Page* find_below(const PageNode<kLevel>* node, u64 frame) {
        if (node == nullptr) return nullptr;
        const auto* child = node->children[slot_of(frame, kLevel)].get();
        if constexpr (kLevel == 0)
            return child;
        else
            return find_below<kLevel - 1>(child, frame);
    }

    Ref<kTopLevel> root_;
};

}  // namespace baton::sim
