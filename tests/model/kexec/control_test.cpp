// SPDX-License-Identifier: GPL-2.0-only
// What relocation runs on: identity map and transition of x86-64, the two tables of AArch64 (specs/kexec.md §13.2,
// §13.5).
#include "model/kexec/control.hpp"

#include <set>

#include "model/kexec/entry_list.hpp"
#include "model/kexec/pages.hpp"
#include "tests/model/kexec/loadable.hpp"

using namespace baton;
using namespace baton::kexec;
using namespace baton::paging;
using namespace baton::test;

namespace {

Kimage& fresh_image(Loadable& l) {
    Kimage& image = l.k.kexec.loading;
    init_list(image);
    image.address_limit = ~u64{0};
    return image;
}

void add(Kimage& image, u64 mem, u64 memsz) {
    KexecSegment& s = image.segments[image.segment_count++];
    s.mem = {mem};
    s.memsz = memsz;
}

std::set<u64> control_pages(const Loadable& l, const Kimage& image) {
    std::set<u64> pages;
    for (u64 link = image.control_pages; link != 0;) {
        const PhysAddr p = geometry(l.k).phys_of({(link >> 1) - 1});
        pages.insert(p.value);
        link = mm::page_of(l.k, p).get()->next;
    }
    return pages;
}

}  // namespace

TEST_CASE("control: x86-64 maps all memory and all segments to themselves, writable and executable") {
    Loadable l;
    Kimage& image = fresh_image(l);
    const u64 free_before = l.free_pages();
    add(image, 0x1000000, 0x100000);
    add(image, 5 * kGiB + 0x7000, 0x3000);  // no RAM there: a segment all the same
    l.k.boot.memory_map[l.k.boot.memory_map_count++] = {{0xbff00000}, 0x10000, static_cast<u32>(MemoryType::kAcpi), 0};
    l.k.boot.memory_map[l.k.boot.memory_map_count++] = {
        {0xc0000000}, 0x10000, static_cast<u32>(MemoryType::kReserved), 0};
    REQUIRE(alloc_control(l.k, image));
    REQUIRE(build_identity_map(l.k, image));
    const auto identity = [&](u64 a) {
        const Translation t = walk(geometry(l.k), image.root, {a});
        return t.leaf_bytes == 2 * kMiB && t.address.value == a && t.flags == (kMapWrite | kMapExecute | kMapGlobal);
    };
    for (u64 a = 0; a < l.m.ram().size; a += 0x1234f) REQUIRE(identity(a));
    CHECK(identity(l.m.ram().size - 1));
    CHECK(identity(5 * kGiB + 0x9fff));
    CHECK(identity(0xbff0ffff));
    CHECK_FALSE(identity(0xc0000000));
    CHECK_FALSE(identity(l.m.ram().size));

    // The routine's own address leads to its copy.
    const VirtAddr routine = VirtAddr{geometry(l.k).kernel_text_base} + Loadable::kRelocateOffset;
    const Translation t = walk(geometry(l.k), image.root, routine);
    CHECK(t.address == image.control_code_page);
    CHECK(t.leaf_bytes == 4096);
    CHECK(t.flags == (kMapWrite | kMapExecute | kMapGlobal));
    CHECK(walk(geometry(l.k), image.root, routine + 4096).leaf_bytes == 0);

    // Only the three tables of the transition may lie in a destination.
    u64 transition = 0;
    for (u64 link = image.table_pages; link != 0; ++transition)
        link = mm::page_of(l.k, geometry(l.k).phys_of({(link >> 1) - 1})).get()->next;
    CHECK(transition == 3);
    for (const u64 page : control_pages(l, image)) CHECK_FALSE(is_destination(image, {{page}, 4096}));
    free_control(l.k, image);
    CHECK(l.free_pages() == free_before);
    l.k.kexec.loading = {};
}

TEST_CASE("control: whole gigabytes of identity map take one leaf each") {
    BareMachine m(GeometryId::kX86_64, {{0}, 3 * kGiB + 64 * kMiB});
    Kernel& k = m.kernel();
    m.boot_mm();
    Kimage& image = k.kexec.loading;
    init_list(image);
    image.address_limit = ~u64{0};
    REQUIRE(alloc_control(k, image));
    REQUIRE(build_identity_map(k, image));
    CHECK(walk(geometry(k), image.root, {2 * kGiB + 5}).leaf_bytes == kGiB);
    CHECK(walk(geometry(k), image.root, {3 * kGiB + 5}).leaf_bytes == 2 * kMiB);
}

TEST_CASE("control: control pages avoid destinations that cover most of memory") {
    Loadable l(GeometryId::kX86_64, 16 * kMiB);
    Kimage& image = fresh_image(l);
    const u64 free_before = l.free_pages();
    add(image, 0, 4 * kMiB);
    add(image, 4 * kMiB + 0x40000, 12 * kMiB - 0x40000);
    REQUIRE(alloc_control(l.k, image));
    REQUIRE(build_identity_map(l.k, image));
    const std::set<u64> pages = control_pages(l, image);
    CHECK(pages.size() >= 5);
    for (const u64 page : pages) CHECK(PhysRange{{4 * kMiB}, 0x40000}.contains(PhysAddr{page}));
    free_control(l.k, image);
    CHECK(l.free_pages() == free_before);
    l.k.kexec.loading = {};
}

TEST_CASE("control: the relocation code is copied from the kernel's own image") {
    for (const GeometryId id : {GeometryId::kX86_64, GeometryId::kAArch64_64K}) {
        Loadable l(id, 256 * kMiB);
        Kimage& image = fresh_image(l);
        REQUIRE(alloc_control(l.k, image));
        copy_relocation_code(l.k, image);
        CHECK(std::memcmp(l.m.bytes(image.control_code_page), l.m.bytes(l.k.image + Loadable::kRelocateOffset),
                          Loadable::kRelocateSize) == 0);
        for (u64 i = Loadable::kRelocateSize; i < l.page; ++i)
            REQUIRE(*ram::read<u8>(image.control_code_page + i) == 0);
        CHECK(image.swap_page != image.control_code_page);
        l.k.header.relocate_size = 2049;
        CHECK(l.m.run([&] { copy_relocation_code(l.k, image); }).kind == sim::Fault::Kind::kAssert);
    }
}

TEST_CASE("control: AArch64 relocates under a writable linear map and an executable page mapped to itself") {
    for (const GeometryId id : {GeometryId::kAArch64_4K, GeometryId::kAArch64_16K, GeometryId::kAArch64_64K}) {
        Loadable l(id, 256 * kMiB);
        const Geometry& g = geometry(l.k);
        Kimage& image = fresh_image(l);
        const u64 free_before = l.free_pages();
        add(image, kGiB + 32 * kMiB, 4 * kMiB);
        REQUIRE(alloc_control(l.k, image));
        REQUIRE(build_linear_copy(l.k, image));
        for (u64 o = 0; o < l.m.ram().size; o += 0x123457) {
            const PhysAddr a = l.m.ram().start + o;
            const Translation t = walk(g, image.root, direct_map_va(l.k, a));
            REQUIRE(t.address == a);
            REQUIRE(t.flags == (kMapWrite | kMapGlobal));
            REQUIRE(t.leaf_bytes == walk(g, l.k.page_table, direct_map_va(l.k, a)).leaf_bytes);
        }
        CHECK(walk(g, image.root, {g.kernel_text_base}).leaf_bytes == 0);

        const Geometry idmap = idmap_geometry(g);
        const u64 code = image.control_code_page.value;
        const Translation t = walk(idmap, image.idmap_root, {code});
        CHECK(t.address.value == code);
        CHECK(t.flags == kMapExecute);
        CHECK(walk(idmap, image.idmap_root, {code + g.page_size()}).leaf_bytes == 0);
        CHECK(std::memcmp(l.m.bytes({code}), l.m.bytes(l.k.image + Loadable::kRelocateOffset),
                          Loadable::kRelocateSize) == 0);
        for (const u64 page : control_pages(l, image)) CHECK_FALSE(is_destination(image, {{page}, g.page_size()}));
        free_control(l.k, image);
        CHECK(l.free_pages() == free_before);
        l.k.kexec.loading = {};
    }
}
