// SPDX-License-Identifier: GPL-2.0-only
// A set of 4 KiB frames whose cost follows its members, not the machine's size: dirty sets, and the set of all frames
// ever written.
//
// Three sparse bitmaps, in the layout of platform::RamView: a bit a frame, a bit a word of that (256 KiB of RAM), a bit
// per 64 words of that (1 GiB). Walking 50 members takes well under a microsecond on 512 MiB; 16 TiB adds the 256 words
// of the top bitmap.
#pragma once

#include <algorithm>
#include <bit>
#include <utility>

#include "model/geometry.hpp"
#include "sim/memory/host_mapping.hpp"

namespace baton::sim {

class FrameSet {
public:
    /// For frames 0 … frames - 1. Asking about others is a bug of the caller.
    explicit FrameSet(u64 frames);

    bool contains(u64 frame) const { return (words_[frame >> 6] >> (frame & 63) & 1) != 0; }
    void insert(u64 frame) { merge_word(frame >> 6, u64{1} << (frame & 63)); }
    /// Inserts frames 64 word + i for every bit i.
    void merge_word(u64 word, u64 bits) {
        words_[word] |= bits;
        summary_[word >> 6] |= u64{1} << (word & 63);
        top_[word >> 18] |= u64{1} << ((word >> 12) & 63);
    }
    /// The first member at or after `frame`, or `last` + 1 if there is none up to `last`, which must be a frame.
    u64 next(u64 frame, u64 last) const {
        while (frame <= last) {
            if (const u64 bits = words_[frame >> 6] >> (frame & 63); bits != 0)
                return std::min(frame + static_cast<u64>(std::countr_zero(bits)), last + 1);
            frame = (frame | 63) + 1;
            // A bit of the summary is 256 KiB: skip 16 MiB at a time where nothing is.
            while (frame <= last && (frame & 4095) == 0 && summary_[frame >> 12] == 0) frame += 4096;
        }
        return last + 1;
    }
    bool empty() const;
    u64 count() const;
    void clear() {
        drain([](u64, u64) {});
    }

    /// f(frame), ascending. `f` must not change this set.
    template <class F>
    void for_each(F&& f) const {
        for_each_word([&](u64 word, u64 bits) { for_each_bit(bits, [&](u64 i) { f(word * 64 + i); }); });
    }
    /// f(word, bits), ascending; bits is never 0.
    template <class F>
    void for_each_word(F&& f) const {
        visit([](u64& cell) { return cell; }, f);
    }
    /// The same, and the set is empty afterwards. `f` must not change this set.
    template <class F>
    void drain(F&& f) {
        visit([](u64& cell) { return std::exchange(cell, 0); }, f);
    }

    /// The bitmaps, for platform::RamView.
    u64* words() { return words_; }
    u64* summary() { return summary_; }
    u64* top() { return top_; }

private:
    template <class F>
    static void for_each_bit(u64 bits, F&& f) {
        for (; bits != 0; bits &= bits - 1) f(static_cast<u64>(std::countr_zero(bits)));
    }
    template <class Take, class F>
    void visit(Take take, F&& f) const {
        for (u64 t = 0; t < top_words_; ++t) {
            if (top_[t] == 0) continue;
            for_each_bit(take(top_[t]), [&](u64 gib) {
                const u64 first = (t * 64 + gib) * 64;
                for (u64 s = first; s < first + 64; ++s) {
                    if (summary_[s] == 0) continue;
                    for_each_bit(take(summary_[s]), [&](u64 i) {
                        const u64 word = s * 64 + i;
                        // A bit of the summary may stand over an empty word: a reader of the bitmap cleared it.
                        if (const u64 bits = take(words_[word]); bits != 0) f(word, bits);
                    });
                }
            });
        }
    }

    u64 top_words_;
    HostMapping mapping_;
    u64* words_;
    u64* summary_;
    u64* top_;
};

}  // namespace baton::sim
