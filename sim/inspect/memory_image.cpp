// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/memory_image.hpp"

#include <algorithm>
#include <cstring>
#include <map>

#include "sim/capture/capture.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kFrame = 4096;

void fill_pattern(PhysAddr from, std::span<u8> to) {
    for (u64 i = 0; i < to.size();) {
        const PhysAddr word{(from.value + i) & ~u64{7}};
        const u64 value = pattern_word(word);
        const u64 skip = from.value + i - word.value;
        const u64 n = std::min(8 - skip, to.size() - i);
        std::memcpy(to.data() + i, reinterpret_cast<const u8*>(&value) + skip, n);
        i += n;
    }
}

}  // namespace

void MemoryImage::add_bytes(PhysAddr at, std::span<const u8> bytes, std::shared_ptr<const void> owner) {
    if (bytes.empty()) return;
    extents_.push_back({{at, bytes.size()}, Kind::kBytes, 0, bytes.data(), nullptr, std::move(owner)});
}

void MemoryImage::add_file(PhysAddr at, std::shared_ptr<const FileBytes> file, u64 offset, u64 size) {
    if (size == 0) return;
    extents_.push_back({{at, size}, Kind::kFile, offset, nullptr, std::move(file), nullptr});
}

void MemoryImage::add_zeros(PhysRange range) {
    if (!range.empty()) extents_.push_back({range, Kind::kZeros, 0, nullptr, nullptr, nullptr});
}

void MemoryImage::add_pattern(PhysRange range) {
    if (!range.empty()) extents_.push_back({range, Kind::kPattern, 0, nullptr, nullptr, nullptr});
}

std::optional<MemoryImage::Overlap> MemoryImage::seal() {
    std::vector<Extent> given = std::move(extents_);
    extents_.clear();
    for (u64 i = 0; i < given.size(); ++i) given[i].number = i;
    std::ranges::stable_sort(given, {}, [](const Extent& e) { return e.range.start; });
    const bool apart = std::ranges::adjacent_find(given, [](const Extent& a, const Extent& b) {
                           return a.range.end() > b.range.start;
                       }) == given.end();
    if (apart) {
        extents_ = std::move(given);
        return std::nullopt;
    }
    return settle_overlaps(std::move(given));
}

std::optional<MemoryImage::Overlap> MemoryImage::settle_overlaps(std::vector<Extent> given) {
    std::ranges::sort(given, {}, &Extent::number);
    std::map<PhysAddr, Extent> taken;
    std::optional<Overlap> overlap;
    for (const Extent& e : given) {
        // The parts of `e` between what is taken; each gap is filled once, so all of this is n log n.
        PhysAddr from = e.range.start;
        auto next = taken.upper_bound(from);
        if (next != taken.begin()) --next;
        while (from < e.range.end()) {
            while (next != taken.end() && next->second.range.end() <= from) ++next;
            const PhysAddr gap_end = next == taken.end() ? e.range.end() : std::min(e.range.end(), next->first);
            if (from < gap_end) {
                Extent part = e;
                part.range = {from, gap_end - from};
                part.offset += from - e.range.start;
                taken.emplace_hint(next, from, std::move(part));
            }
            if (gap_end == e.range.end()) break;
            if (!overlap) overlap = Overlap{next->second.range, e.range};
            from = std::max(from, next->second.range.end());
        }
    }
    for (auto& [at, e] : taken) extents_.push_back(std::move(e));
    return overlap;
}

std::vector<MemoryImage::Extent>::const_iterator MemoryImage::extent_of(PhysAddr a) const {
    const auto after = std::ranges::upper_bound(extents_, a, {}, [](const Extent& e) { return e.range.start; });
    if (after == extents_.begin() || !std::prev(after)->range.contains(a)) return extents_.end();
    return std::prev(after);
}

bool MemoryImage::read_extent(const Extent& e, u64 offset, std::span<u8> to) const {
    switch (e.kind) {
        case Kind::kBytes: std::memcpy(to.data(), e.bytes + e.offset + offset, to.size()); return true;
        case Kind::kFile: return e.file->read(e.offset + offset, to);
        case Kind::kZeros: std::ranges::fill(to, 0); return true;
        case Kind::kPattern: fill_pattern(e.range.start + offset, to); return true;
    }
    return false;
}

bool MemoryImage::read(PhysAddr from, std::span<u8> to) const {
    if (to.empty()) return true;
    for (auto e = extent_of(from);;) {
        if (e == extents_.end() || !e->range.contains(from)) return false;
        const u64 n = std::min<u64>(to.size(), e->range.end() - from);
        if (!read_extent(*e, from - e->range.start, to.first(n))) return false;
        to = to.subspan(n);
        if (to.empty()) return true;
        from += n;
        ++e;
    }
}

bool MemoryImage::holds(PhysRange range) const {
    auto e = extent_of(range.start);
    while (!range.empty()) {
        if (e == extents_.end() || !e->range.contains(range.start)) return false;
        const u64 n = std::min(range.size, e->range.end() - range.start);
        range = {range.start + n, range.size - n};
        ++e;
    }
    return true;
}

std::vector<PhysRange> MemoryImage::ranges() const {
    std::vector<PhysRange> out;
    for (const Extent& e : extents_) {
        if (!out.empty() && out.back().end() == e.range.start)
            out.back().size += e.range.size;
        else
            out.push_back(e.range);
    }
    return out;
}

bool MemoryImage::visit_extent(const Extent& e, std::vector<u8>& buffer,
                               const std::function<bool(PhysAddr, std::span<const u8>)>& f) const {
    bool more = true;
    const auto block = [&](u64 start, u64 end) {  // offsets in the extent
        while (more && start < end) {
            const u64 at = e.range.start.value + start;
            const u64 n = std::min((at & ~(kFrame - 1)) + kBlockBytes - at, end - start);
            if (e.kind == Kind::kBytes)
                more = f({at}, {e.bytes + e.offset + start, n});
            else {
                buffer.resize(n);
                if (e.file->read(e.offset + start, buffer)) more = f({at}, buffer);
            }
            start += n;
        }
    };
    if (e.kind == Kind::kBytes) block(0, e.range.size);
    if (e.kind == Kind::kFile)
        e.file->for_each_data(e.offset, e.offset + e.range.size, [&](u64 start, u64 end) {
            if (more) block(start - e.offset, end - e.offset);
        });
    return more;
}

void MemoryImage::for_each_data(const std::function<bool(PhysAddr, std::span<const u8>)>& f) const {
    std::vector<u8> buffer;
    for (const Extent& e : extents_)
        if (!visit_extent(e, buffer, f)) return;
}

}  // namespace baton::sim
