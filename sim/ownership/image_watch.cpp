// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/image_watch.hpp"

#include <utility>

#include "model/image_header.hpp"

namespace baton::sim {

void ImageWatch::jump(std::vector<Segment> segments, bool has_digest, u64 page_size) {
    *this = {};
    segments_ = std::move(segments);
    has_digest_ = has_digest;
    page_size_ = page_size;
    up_ = false;
}

void ImageWatch::at(Site site, u64 arg0, u64 arg1) {
    switch (site) {
        case Site::kRelocatePage:
            copied_.add({{arg0}, page_size_});
            sources_.add({{arg1}, page_size_});
            break;
        case Site::kPurgatoryRegion: hashed_.add({{arg0}, arg1}); break;
        case Site::kPurgatoryDone:
            digest_right_ = true;
            purgatory_done_ = true;
            break;
        case Site::kKaslrCopy: moved_ = {{arg1}, kImageSize}; break;
        case Site::kBootDone: up_ = true; break;
        default: break;
    }
}

void ImageWatch::enter(PhysRange image) {
    for (const Segment& s : segments_)
        if (s.range.contains(image.start)) return;
    if (!segments_.empty()) moved_ = image;
}

void ImageWatch::take(PhysRange range, Owner to, Phase phase) {
    const bool early = phase == Phase::kEarlyBoot || phase == Phase::kMemoryMap;
    if (early && (to == Owner::kKernel || to == Owner::kPageTables)) early_.add(range);
}

WriteTarget ImageWatch::target(PhysRange range) const {
    if (!moved_.empty() && moved_.overlaps(range)) return WriteTarget::kMovedImage;
    if (!up_ && metadata_.touches(range)) return WriteTarget::kMetadata;
    if (!up_)
        for (const Segment& s : segments_) {
            if (!s.range.overlaps(range) || !copied_.touches(range)) continue;
            if (s.role == Role::kPurgatory && purgatory_done_) continue;
            if (s.role == Role::kPurgatory) return WriteTarget::kPurgatory;
            const bool seen = !has_digest_ || digest_right_ || hashed_.touches(range);
            if (!seen) return WriteTarget::kCopiedSegment;
            return s.role == Role::kInitrd ? WriteTarget::kInitrd : WriteTarget::kHashedSegment;
        }
    return early_.touches(range) ? WriteTarget::kEarlyMemory : WriteTarget::kPlain;
}

namespace {

void put(ByteWriter& to, PhysRange r) {
    to.put(r.start.value);
    to.put(r.size);
}
PhysRange get(ByteReader& from) {
    const PhysAddr start{from.get<u64>()};
    return {start, from.get<u64>()};
}
inline constexpr u64 kRangeBytes = 16;

}  // namespace

void ImageWatch::save(ByteWriter& to) const {
    to.put(u64{segments_.size()});
    for (const Segment& s : segments_) {
        put(to, s.range);
        to.put(static_cast<u32>(s.role));
    }
    for (const RangeSet* set : {&metadata_, &scratch_, &copied_, &sources_, &hashed_, &early_}) {
        to.put(u64{set->ranges().size()});
        for (const PhysRange& r : set->ranges()) put(to, r);
    }
    put(to, moved_);
    to.put(page_size_);
    for (const bool flag : {has_digest_, digest_right_, purgatory_done_, up_}) to.put(static_cast<u8>(flag ? 1 : 0));
}

void ImageWatch::load(ByteReader& from) {
    ImageWatch loaded;
    for (u64 n = from.get_count(kRangeBytes); n > 0; --n) {
        Segment s{.range = get(from)};
        const u32 role = from.get<u32>();
        if (role > static_cast<u32>(Role::kInitrd)) from.fail("has a segment of a kind that does not exist");
        s.role = static_cast<Role>(role);
        loaded.segments_.push_back(s);
    }
    for (RangeSet* set :
         {&loaded.metadata_, &loaded.scratch_, &loaded.copied_, &loaded.sources_, &loaded.hashed_, &loaded.early_})
        for (u64 n = from.get_count(kRangeBytes); n > 0; --n) set->add(get(from));
    loaded.moved_ = get(from);
    loaded.page_size_ = from.get<u64>();
    for (bool* flag : {&loaded.has_digest_, &loaded.digest_right_, &loaded.purgatory_done_, &loaded.up_})
        *flag = from.get<u8>() != 0;
    *this = loaded;
}

}  // namespace baton::sim
