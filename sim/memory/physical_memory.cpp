// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/physical_memory.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace baton::sim {

namespace {

std::vector<PhysRange> checked(std::span<const PhysRange> ram) {
    std::vector<PhysRange> sorted(ram.begin(), ram.end());
    if (sorted.empty()) throw std::invalid_argument("a machine needs RAM");
    for (const PhysRange& r : sorted) {
        if (r.size == 0 || (r.start.value | r.size) % kFrameSize != 0)
            throw std::invalid_argument("a RAM range is not made of whole 4 KiB frames");
        if (r.start.value >= PhysicalMemory::kAddressEnd || r.size > PhysicalMemory::kAddressEnd - r.start.value)
            throw std::invalid_argument("a RAM range ends above 32 TiB");
    }
    std::ranges::sort(sorted, {}, &PhysRange::start);
    std::vector<PhysRange> joined;
    for (const PhysRange& r : sorted) {
        if (!joined.empty() && r.start < joined.back().end()) throw std::invalid_argument("RAM ranges overlap");
        if (!joined.empty() && r.start == joined.back().end())
            joined.back().size += r.size;
        else
            joined.push_back(r);
    }
    if (joined.size() > platform::RamView::kRangesMax)
        throw std::invalid_argument("RAM has more than " + std::to_string(platform::RamView::kRangesMax) + " ranges");
    return joined;
}

}  // namespace

PhysicalMemory::PhysicalMemory(std::span<const PhysRange> ram)
    : ranges_(checked(ram)),
      mapping_(ranges_.back().end().value, HostMapping::Access::kNone, "emulated RAM"),
      dirty_(frame_count()),
      ever_(frame_count()) {
    for (const PhysRange& r : ranges_) mapping_.allow(r.start.value, r.size);
    view_.base = mapping_.data();
    view_.dirty = dirty_.words();
    view_.dirty_summary = dirty_.summary();
    view_.dirty_top = dirty_.top();
    view_.range_count = static_cast<u32>(ranges_.size());
    std::ranges::copy(ranges_, view_.ranges);
    // The direct map tries them in this order, and most accesses go to the largest.
    std::ranges::sort(std::span(view_.ranges, view_.range_count), std::ranges::greater{}, &PhysRange::size);
}

u64 PhysicalMemory::size_bytes() const {
    u64 bytes = 0;
    for (const PhysRange& r : ranges_) bytes += r.size;
    return bytes;
}

bool PhysicalMemory::is_ram(PhysRange range) const {
    if (range.empty()) return true;
    return std::ranges::any_of(std::span(view_.ranges, view_.range_count),
                               [&](const PhysRange& r) { return r.contains(range); });
}

const u8* PhysicalMemory::bytes(PhysRange range) const {
    return is_ram(range) ? reinterpret_cast<const u8*>(view_.base) + range.start.value : nullptr;
}

u8* PhysicalMemory::claim(PhysRange range) {
    if (!is_ram(range)) return nullptr;
    if (!range.empty()) view_.mark(range.start.value >> kFrameShift, (range.end().value - 1) >> kFrameShift);
    return reinterpret_cast<u8*>(view_.base) + range.start.value;
}

bool PhysicalMemory::read(PhysAddr from, std::span<u8> to) const {
    const u8* p = bytes({from, to.size()});
    if (p != nullptr) std::ranges::copy_n(p, static_cast<std::ptrdiff_t>(to.size()), to.begin());
    return p != nullptr;
}

bool PhysicalMemory::write(PhysAddr to, std::span<const u8> from) {
    u8* p = claim({to, from.size()});
    if (p != nullptr) std::ranges::copy(from, p);
    return p != nullptr;
}

void PhysicalMemory::set_frame(u64 number, const u8* page) {
    std::byte* to = view_.base + (number << kFrameShift);
    view_.mark(number, number);
    if (page != nullptr)
        std::memcpy(to, page, kFrameSize);
    else
        std::memset(to, background_, kFrameSize);
}

bool PhysicalMemory::is_background(const u8* page) const {
    // Equal to itself one byte on, and the first byte is right: so is every byte.
    return page[0] == background_ && std::memcmp(page, page + 1, kFrameSize - 1) == 0;
}

void PhysicalMemory::fill_pattern(u8 background) {
    if (!ever().empty()) throw std::logic_error("RAM was written before it was filled with a pattern");
    background_ = background;
    for (const PhysRange& r : ranges_) std::memset(view_.base + r.start.value, background, r.size);
}

void PhysicalMemory::take_up_dirty(u64 words) {
    u64* const bitmap = dirty_.words();
    for (u64 w = 0; w < words; ++w) {
        const u64 bits = bitmap[w];
        if (bits == 0) continue;
        u64 ram = 0;
        for (u64 i = 0; i < 64; ++i)
            if ((bits >> i & 1) != 0 && is_ram({{(w * 64 + i) << kFrameShift}, kFrameSize})) ram |= u64{1} << i;
        bitmap[w] = ram;
        if (ram != 0) dirty_.merge_word(w, ram);
    }
}

void PhysicalMemory::mark_ram(PhysRange range) {
    for (const PhysRange& r : ranges_) {
        const PhysAddr start = std::max(r.start, range.start);
        const PhysAddr end = std::min(r.end(), range.end());
        if (start < end) view_.mark(start.value >> kFrameShift, (end.value - 1) >> kFrameShift);
    }
}

void PhysicalMemory::collect() {
    if (source_ != nullptr) source_->report_dirty(*this);
    dirty_.drain([this](u64 word, u64 bits) {
        ever_.merge_word(word, bits);
        for (DirtyClient* client : clients_) client->frames_.merge_word(word, bits);
    });
}

const FrameSet& PhysicalMemory::ever() {
    collect();
    return ever_;
}

DirtyClient::DirtyClient(PhysicalMemory& memory) : memory_(memory), frames_(memory.frame_count()) {
    memory.ever().for_each_word([this](u64 word, u64 bits) { frames_.merge_word(word, bits); });
    memory.clients_.push_back(this);
}

DirtyClient::~DirtyClient() { std::erase(memory_.clients_, this); }

}  // namespace baton::sim
