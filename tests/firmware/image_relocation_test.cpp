// SPDX-License-Identifier: GPL-2.0-only
// Whole images on their way: random segments, scattered over RAM as kexec_file_load leaves them, through the relocation
// code and, on x86-64, the purgatory in one of them (specs/kexec.md §3, §6, §7); beside the declared twins of both
// (decision D7).
#include <nettle/sha2.h>

#include <numeric>

#include "model/kexec/purgatory.hpp"
#include "tests/firmware/relocation_bench.hpp"

namespace baton::test {
namespace {

using kexec::PurgatoryRegion;

u64 rounds(const Geometry& g) { return g.page_shift == 12 ? 1000 : 150; }
inline constexpr u64 kCorruptRounds = 200;

struct Segment {
    u64 to;     // offset of its destination in RAM
    u64 pages;  // of memory
    u64 bytes;  // that are hashed; the rest of its memory is zero
};

class ImageBench final : public RelocationBench {
public:
    ImageBench(GeometryId id, bool swap) : RelocationBench(id, swap) {
        next_ = m.at(end_ - jump.page_size).value + (x86 ? kEntryOffsetX86 : 0);
    }

    /// New segments with new content, somewhere else. On x86-64 the first of them is the purgatory.
    void load(sim::Random& random) {
        for (u64 o = list_; o < end_; o += sizeof(u64)) put(o, random.next());
        place(random);
        scatter(random);
        if (!x86) return;
        fill_purgatory(random);
        watch_purgatory();
    }
    /// Flips a bit of what the digest covers, where it waits to be copied; or of the digest.
    void corrupt(sim::Random& random) {
        u64 total = SHA256_DIGEST_SIZE;
        for (std::size_t i = 1; i < segments_.size(); ++i) total += segments_[i].bytes;
        u64 which = random.bounded(total);
        const u8 bit = static_cast<u8>(1u << random.bounded(8));
        for (std::size_t i = 1; i < segments_.size(); ++i) {
            if (which < segments_[i].bytes) return flip(source_of(i, which), bit);
            which -= segments_[i].bytes;
        }
        flip(source_of(0, header_.digest + which), bit);
    }
    /// Every segment is where it was to go.
    bool arrived() {
        const std::vector<u8> now = image();
        return now == sent_;
    }
    std::size_t segments() const { return segments_.size(); }

private:
    void be_twin() override {
        const sim::Entry entry = sim::relocate(m.g.isa, jump);
        if (!x86) return;
        const auto next = sim::run_purgatory(entry);
        if (!next) m.machine.fault(next.error());
        if (next->address.value != next_) m.machine.fault({.kind = sim::Fault::Kind::kImageCorrupted});
    }
    u64 last_pc() const override { return x86 ? next_ : jump.start.value; }

    // Destinations lie apart, in any order; pages of a segment follow each other.
    void place(sim::Random& random) {
        const u64 page = jump.page_size;
        segments_.clear();
        u64 at = pool_ + random.bounded(3) * page;
        const u64 count = 2 + random.bounded(5);
        const u64 purgatory = random.bounded(count);
        const u64 blob = m.image.header().purgatory_size / page;
        for (u64 i = 0; i < count; ++i) {
            const bool is_purgatory = x86 && i == purgatory;
            const u64 pages = is_purgatory ? blob : 1 + random.bounded(std::max(pool_pages_ / 20, u64{2}));
            const Segment s{at, pages, is_purgatory ? 0 : pages * page - random.bounded(page)};
            at += (pages + random.bounded(3)) * page;
            is_purgatory ? segments_.insert(segments_.begin(), s) : segments_.insert(segments_.end(), s);
        }
        REQUIRE(at <= pool_ + pool_pages_ * page);
    }

    // Sources are any pages that are nobody's destination, or, one in eight, already where they are to go.
    void scatter(sim::Random& random) {
        const u64 page = jump.page_size;
        std::vector<u64> free;
        for (u64 i = 0; i < pool_pages_; ++i) {
            const u64 at = pool_ + i * page;
            if (std::ranges::none_of(segments_, [&](const Segment& s) { return at - s.to < s.pages * page; }))
                free.push_back(at);
        }
        for (std::size_t i = free.size(); i > 1; --i) std::swap(free[i - 1], free[random.bounded(i)]);
        sources_.clear();
        words_.clear();
        u64 at = list_;
        u64 left = 2 + random.bounded(30);  // words on this list page
        jump.head = m.at(list_).value | kEntryIndirection;
        const auto word = [&](u64 w) {
            words_.push_back(at);
            put(at, w);
            at += sizeof(w);
            if (--left != 0) return;
            const u64 next = align_down(at, page) + page;
            REQUIRE(next < pool_);
            put(at, m.at(next).value | kEntryIndirection);
            at = next;
            left = 20 + random.bounded(40);
        };
        for (const Segment& s : segments_) {
            word(m.at(s.to).value | kEntryDestination);
            for (u64 i = 0; i < s.pages; ++i) {
                u64 from = s.to + i * page;
                if (random.bounded(8) != 0 && !free.empty()) {
                    from = free.back();
                    free.pop_back();
                }
                sources_.push_back(from);
                word(m.at(from).value | kEntrySource);
            }
        }
        put(at, kEntryDone);
        for (std::size_t i = 0; i < segments_.size(); ++i)
            for (u64 o = segments_[i].bytes; o < segments_[i].pages * page; ++o) *m.native(source_of(i, o)) = 0;
        sent_ = gathered();
    }

    void fill_purgatory(sim::Random& random) {
        const ImageHeader h = m.image.header();
        const u8* blob = m.image.payload().data() + h.purgatory_offset;
        for (u64 o = 0; o < h.purgatory_size; o += jump.page_size)
            std::memcpy(m.native(source_of(0, o)), blob + o, jump.page_size);
        std::memcpy(&header_, blob, sizeof(header_));
        sha256_ctx sha;
        sha256_init(&sha);
        for (std::size_t i = 1; i < segments_.size(); ++i) {
            for (u64 o = 0; o < segments_[i].bytes; o += jump.page_size)
                sha256_update(&sha, std::min(jump.page_size, segments_[i].bytes - o), m.native(source_of(i, o)));
            const PurgatoryRegion region{m.at(segments_[i].to), segments_[i].bytes};
            std::memcpy(m.native(source_of(0, header_.regions + (i - 1) * sizeof(region))), &region, sizeof(region));
        }
        u8 digest[SHA256_DIGEST_SIZE];
        sha256_digest(&sha, sizeof(digest), digest);
        std::memcpy(m.native(source_of(0, header_.digest)), digest, sizeof(digest));
        for (u32 i = 0; i < kexec::kPurgatoryRegisters; ++i) {
            const u64 value = i == kexec::kRip ? next_ : random.next();
            std::memcpy(m.native(source_of(0, header_.registers + i * sizeof(value))), &value, sizeof(value));
        }
        jump.start = m.at(segments_[0].to) + kexec::kPurgatoryEntryOffset;
        sent_ = gathered();
    }

    // It is somewhere else in each round, and hooks are part of translated code.
    void watch_purgatory() {
        const ImageHeader h = m.image.header();
        const u64 blob = m.at(segments_[0].to).value;
        labels_.clear();
        const auto on = [&](u64 at, std::function<void()> f) {
            labels_.push_back(m.engine->on_code(at, at, [f = std::move(f)](u64) { f(); }));
        };
        on(jump.start.value, [this] { code_.points.push_back(point(Site::kPurgatoryStart, jump.start.value, 0)); });
        on(blob + h.labels[kLabelPurgatoryRegion],
           [this] { code_.points.push_back(point(Site::kPurgatoryRegion, m.get("r12"), m.get("r13"))); });
        on(blob + h.labels[kLabelPurgatoryDone], [this] { code_.points.push_back(point(Site::kPurgatoryDone, 0, 0)); });
        on(blob + h.labels[kLabelPurgatoryLoop], [this] {
            looped_ = true;
            m.engine->request_stop();
        });
        m.engine->flush_code();
    }

    u64 source_of(std::size_t segment, u64 offset) const {
        u64 index = offset / jump.page_size;
        for (std::size_t i = 0; i < segment; ++i) index += segments_[i].pages;
        return sources_.at(index) + offset % jump.page_size;
    }
    void flip(u64 at, u8 bit) {
        u8& byte = *m.native(at);
        byte = static_cast<u8>(byte ^ bit);
    }
    // All segments, from their sources and from their destinations.
    std::vector<u8> gathered() {
        std::vector<u8> all;
        for (const u64 from : sources_) all.insert(all.end(), m.native(from), m.native(from) + jump.page_size);
        return all;
    }
    std::vector<u8> image() {
        std::vector<u8> all;
        for (const Segment& s : segments_)
            all.insert(all.end(), m.native(s.to), m.native(s.to) + s.pages * jump.page_size);
        return all;
    }

    u64 next_;
    std::vector<Segment> segments_;
    std::vector<u64> sources_;  // of every page, in the order of the segments
    std::vector<u8> sent_;
    kexec::PurgatoryHeader header_{};
    std::vector<sim::Engine::Hook> labels_;
};

bool has_code(GeometryId id) { return MachineCode(id).has_code(); }

void play_images(GeometryId id, bool swap) {
    if (!has_code(id)) return;
    ImageBench b(id, swap);
    sim::Random random(id == GeometryId::kX86_64 ? 5 : 6, swap);
    for (u64 round = 0; round < rounds(b.m.g); ++round) {
        CAPTURE(std::string(b.m.g.name), swap, round);
        b.load(random);
        b.run();
        REQUIRE(b.twin().end == "done");
        REQUIRE(b.code() == b.twin());
        REQUIRE(b.same_pool());
        REQUIRE(b.arrived());
    }
    REQUIRE(b.same_ram());
}

}  // namespace

TEST_CASE("image relocation: 1,000 random images arrive as their twins do, on every ISA; and of larger pages") {
    for (const Geometry& g : kGeometries) play_images(g.id, false);
}

TEST_CASE("image relocation: 1,000 random images arrive by the three-way swap of x86-64") {
    play_images(GeometryId::kX86_64, true);
}

TEST_CASE("image relocation: one flipped bit of an image or of its digest is the purgatory's loop, in both") {
    for (const bool swap : {false, true}) {
        ImageBench b(GeometryId::kX86_64, swap);
        sim::Random random(7, swap);
        for (u64 round = 0; round < kCorruptRounds; ++round) {
            CAPTURE(swap, round);
            b.load(random);
            b.corrupt(random);
            b.run();
            REQUIRE(b.twin().end == "loop");
            REQUIRE(b.code() == b.twin());
            REQUIRE(b.same_pool());
        }
    }
}

}  // namespace baton::test
