// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/state_hash.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <xxhash.h>

namespace baton::sim {

namespace {

Hash128 hash(std::span<const u8> bytes) {
    const XXH128_hash_t h = XXH3_128bits(bytes.data(), bytes.size());
    return {static_cast<u128>(h.high64) << 64 | h.low64};
}

void append(std::vector<u8>& to, u64 value) {
    for (u32 i = 0; i < 8; ++i) to.push_back(static_cast<u8>(value >> (8 * i)));
}

void append(std::vector<u8>& to, std::string_view text) {
    append(to, text.size());
    to.insert(to.end(), text.begin(), text.end());
}

/// A hashed record that no page can be mistaken for: it is shorter, and it says what it is.
enum class Kind : u64 { kNumber = 1, kBytes = 2, kImageFrame = 3 };

Hash128 hash_frame(u64 frame, const u8* page) {
    // One contiguous input is faster than XXH3's streaming state, the copy included.
    std::array<u8, sizeof(u64) + kFrameSize> input;
    std::memcpy(input.data(), &frame, sizeof(u64));
    std::memcpy(input.data() + sizeof(u64), page, kFrameSize);
    return hash(input);
}

Hash128 hash_image_frame(u64 frame, std::string_view image, u64 offset) {
    std::vector<u8> input;
    append(input, static_cast<u64>(Kind::kImageFrame));
    append(input, frame);
    append(input, image);
    append(input, offset);
    return hash(input);
}

bool is_zero(const u8* page) { return page[0] == 0 && std::memcmp(page, page + 1, kFrameSize - 1) == 0; }

}  // namespace

RamHash::RamHash(PhysicalMemory& memory)
    : memory_(memory),
      dirty_(memory),
      cache_(memory.frame_count() * sizeof(Hash128), HostMapping::Access::kReadWrite, "hashes of frames"),
      terms_(reinterpret_cast<Hash128*>(cache_.data())) {}

void RamHash::set_images(std::vector<ImageText> images) {
    FrameSet& dirty = dirty_.frames();
    const FrameSet& ever = memory_.ever();
    const auto hash_again = [&](const ImageText& image) {
        const u64 first = image.start.value >> kFrameShift;
        const u64 last = std::min(first + (image.bytes.size() >> kFrameShift), memory_.frame_count());
        for (u64 frame = first; frame < last; ++frame)
            if (ever.contains(frame)) dirty.insert(frame);
    };
    std::ranges::for_each(images_, hash_again);
    images_ = std::move(images);
    std::ranges::for_each(images_, hash_again);
}

Hash128 RamHash::value() {
    dirty_.frames().for_each([this](u64 frame) {
        const Hash128 now = term(frame);
        sum_ -= terms_[frame];
        sum_ += now;
        terms_[frame] = now;
    });
    dirty_.clear();
    return sum_;
}

Hash128 RamHash::term(u64 frame) const {
    const u8* page = memory_.frame(frame);
    for (const ImageText& image : images_) {
        const u64 offset = (frame << kFrameShift) - image.start.value;  // huge below the image
        if (offset < image.bytes.size() && image.bytes.size() - offset >= kFrameSize &&
            std::memcmp(page, image.bytes.data() + offset, kFrameSize) == 0)
            return hash_image_frame(frame, image.name, image.offset + offset);
    }
    return is_zero(page) ? Hash128{} : hash_frame(frame, page);
}

StateHash& StateHash::add(std::string_view name, u64 value) {
    std::vector<u8> input;
    append(input, static_cast<u64>(Kind::kNumber));
    append(input, name);
    append(input, value);
    sum_ += hash(input);
    return *this;
}

StateHash& StateHash::add(std::string_view name, std::span<const u8> bytes) {
    std::vector<u8> input;
    append(input, static_cast<u64>(Kind::kBytes));
    append(input, name);
    input.insert(input.end(), bytes.begin(), bytes.end());
    sum_ += hash(input);
    return *this;
}

}  // namespace baton::sim
