// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/image_watch.hpp"

#include "model/image_header.hpp"
#include "tests/catch.hpp"
#include "tests/support/hostile.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

using Role = ImageWatch::Role;
constexpr u64 kPage = 4096;
constexpr PhysRange kKernel{{0x100000}, 16 * kPage};
constexpr PhysRange kInitrd{{0x200000}, 4 * kPage};
constexpr PhysRange kPurgatory{{0x300000}, kPage};

const RangeSet kMetadata = [] {
    RangeSet set;
    set.add({{0x600000}, kPage});
    set.add({{0x610000}, 64});
    return set;
}();

/// A kernel has just been left, with three segments to come.
ImageWatch left(bool has_digest = true) {
    ImageWatch w;
    w.jump({{kKernel, Role::kOther}, {kInitrd, Role::kInitrd}, {kPurgatory, Role::kPurgatory}}, has_digest, kPage);
    for (const PhysRange& r : kMetadata.ranges()) w.add_metadata(r);
    return w;
}

void copy(ImageWatch& w, PhysAddr to, u64 from) { w.at(Site::kRelocatePage, to.value, from); }

WriteTarget at(const ImageWatch& w, PhysAddr a) { return w.target({a, 8}); }

}  // namespace

TEST_CASE("image watch: before any kexec, and before a page is in place, memory is plain") {
    ImageWatch w;
    CHECK(at(w, kKernel.start) == WriteTarget::kPlain);
    w = left();
    CHECK(at(w, kKernel.start) == WriteTarget::kPlain);
    copy(w, kKernel.start, 0x900000);
    CHECK(at(w, kKernel.start) == WriteTarget::kCopiedSegment);
    CHECK(at(w, kKernel.start + kPage) == WriteTarget::kPlain);  // this page's turn has not come
    CHECK(w.is_copied({{0x900000}, 8}));
    CHECK_FALSE(w.is_copied({{0x901000}, 8}));
    CHECK(w.target({kKernel.start + (kPage - 4), 8}) == WriteTarget::kCopiedSegment);
    copy(w, {0x500000}, 0x902000);  // in no segment
    CHECK(at(w, {0x500000}) == WriteTarget::kPlain);
}

TEST_CASE("image watch: a digest that has passed a region leaves it unguarded") {
    ImageWatch w = left();
    for (const PhysAddr a : {kKernel.start, kInitrd.start, kPurgatory.start}) copy(w, a, a.value + 0x1000000);
    CHECK(at(w, kInitrd.start) == WriteTarget::kCopiedSegment);
    CHECK(at(w, kPurgatory.start) == WriteTarget::kPurgatory);
    w.at(Site::kPurgatoryRegion, kKernel.start.value, kKernel.size);
    CHECK(at(w, kKernel.start) == WriteTarget::kHashedSegment);
    CHECK(at(w, kInitrd.start) == WriteTarget::kCopiedSegment);
    w.at(Site::kPurgatoryDone, 0, 0);
    CHECK(at(w, kInitrd.start) == WriteTarget::kInitrd);
    CHECK(at(w, kPurgatory.start) == WriteTarget::kPlain);  // it has done its work
    w.at(Site::kBootDone, 0, 0);
    CHECK(at(w, kKernel.start) == WriteTarget::kPlain);
    CHECK(at(w, kInitrd.start) == WriteTarget::kPlain);
}

TEST_CASE("image watch: where nothing is digested, a page is unguarded once it is in place") {
    ImageWatch w = left(false);
    copy(w, kKernel.start, 0x900000);
    copy(w, kInitrd.start, 0x901000);
    CHECK(at(w, kKernel.start) == WriteTarget::kHashedSegment);
    CHECK(at(w, kInitrd.start) == WriteTarget::kInitrd);
}

TEST_CASE("image watch: an image that KASLR moved is where it was moved to") {
    ImageWatch w = left();
    const PhysAddr moved{0x8000000};
    w.at(Site::kKaslrCopy, kKernel.start.value, moved.value);
    CHECK(at(w, moved) == WriteTarget::kMovedImage);
    CHECK(at(w, moved + (kImageSize - 8)) == WriteTarget::kMovedImage);
    CHECK(at(w, moved + kImageSize) == WriteTarget::kPlain);

    ImageWatch entered = left();
    entered.enter({kKernel.start + kPage, kImageSize});  // in its segment: not moved
    CHECK(at(entered, kKernel.start + kPage) == WriteTarget::kPlain);
    entered.enter({moved, kImageSize});
    CHECK(at(entered, moved) == WriteTarget::kMovedImage);
    ImageWatch cold;
    cold.enter({moved, kImageSize});  // power-on loads a kernel wherever
    CHECK(at(cold, moved) == WriteTarget::kPlain);
}

TEST_CASE("image watch: early memory is what the kernel takes for itself before its page allocator") {
    struct Row {
        Owner to;
        Phase phase;
        bool early;
    };
    constexpr Row kRows[] = {
        {Owner::kKernel, Phase::kEarlyBoot, true},     {Owner::kPageTables, Phase::kMemoryMap, true},
        {Owner::kFree, Phase::kEarlyBoot, false},      {Owner::kDma, Phase::kMemoryMap, false},
        {Owner::kKernel, Phase::kInitcalls, false},    {Owner::kKernel, Phase::kRelocation, false},
        {Owner::kPreserved, Phase::kMemoryMap, false},
    };
    for (const Row& row : kRows) {
        CAPTURE(name(row.to), info(row.phase).name);
        ImageWatch w = left();
        w.take({{0x700000}, kPage}, row.to, row.phase);
        CHECK((at(w, {0x700000}) == WriteTarget::kEarlyMemory) == row.early);
        CHECK(at(w, {0x701000}) == WriteTarget::kPlain);
    }
}

TEST_CASE("image watch: metadata is metadata until the new kernel is up") {
    ImageWatch w = left();
    CHECK(at(w, {0x600ff8}) == WriteTarget::kMetadata);
    CHECK(at(w, {0x610038}) == WriteTarget::kMetadata);
    CHECK(at(w, {0x610040}) == WriteTarget::kPlain);
    w.at(Site::kBootDone, 0, 0);
    CHECK(at(w, {0x600000}) == WriteTarget::kPlain);
}

TEST_CASE("image watch: the next kexec begins anew") {
    ImageWatch w = left();
    copy(w, kKernel.start, 0x900000);
    w.at(Site::kPurgatoryDone, 0, 0);
    w.at(Site::kKaslrCopy, 0, 0x8000000);
    w.take({{0x700000}, kPage}, Owner::kKernel, Phase::kEarlyBoot);
    CHECK_FALSE(w == left());
    w.jump({{kKernel, Role::kOther}, {kInitrd, Role::kInitrd}, {kPurgatory, Role::kPurgatory}}, true, kPage);
    for (const PhysRange& r : kMetadata.ranges()) w.add_metadata(r);
    CHECK(w == left());
}

TEST_CASE("image watch: pages are as large as the kernel that left says") {
    ImageWatch w;
    w.jump({{{{0x100000}, 0x40000}, Role::kOther}}, false, 0x10000);
    copy(w, {0x100000}, 0x900000);
    CHECK(at(w, {0x10fff8}) == WriteTarget::kHashedSegment);
    CHECK(at(w, {0x110000}) == WriteTarget::kPlain);
    CHECK(w.is_copied({{0x90fff8}, 8}));
}

TEST_CASE("image watch: survives saving; damaged bytes are refused or a sound state") {
    ImageWatch w = left();
    copy(w, kKernel.start, 0x900000);
    copy(w, kInitrd.start, 0x905000);
    w.at(Site::kPurgatoryRegion, kKernel.start.value, kKernel.size);
    w.at(Site::kPurgatoryDone, 0, 0);
    w.at(Site::kKaslrCopy, 0, 0x8000000);
    w.take({{0x700000}, kPage}, Owner::kKernel, Phase::kEarlyBoot);
    ByteWriter to;
    w.save(to);
    ImageWatch back;
    ByteReader from(to.bytes(), "test");
    back.load(from);
    from.expect_end();
    CHECK(back == w);
    u64 refused = 0;
    test::for_each_damage(to.bytes(), [&](std::span<const u8> bytes) {
        ImageWatch damaged = w;
        try {
            ByteReader reader(bytes, "test");
            damaged.load(reader);
        } catch (const SaveError&) {
            ++refused;
            CHECK(damaged == w);
        }
        CHECK(at(damaged, kKernel.start) < WriteTarget::kCount);
        copy(damaged, {0x400000}, 0x401000);
        damaged.enter({{0x8000000}, kImageSize});
    });
    CHECK(refused > to.size());
}
