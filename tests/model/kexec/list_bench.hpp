// SPDX-License-Identifier: GPL-2.0-only
// A machine with a page allocator and an image to fill: what tests of the entry list and its pages start from.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/kexec/control.hpp"
#include "model/kexec/entry_list.hpp"
#include "model/kexec/loader.hpp"
#include "model/kexec/pages.hpp"
#include "tests/catch.hpp"
#include "tests/support/bare_machine.hpp"

namespace baton::test {

using namespace kexec;

/// A machine with a page allocator, and an image to fill.
struct Bench {
    BareMachine m;
    Kernel& k;
    Kimage& image;
    u64 page;
    u64 free_before = 0;

    explicit Bench(GeometryId id = GeometryId::kX86_64, u64 bytes = 16 * kMiB)
        : m(id, {{id == GeometryId::kX86_64 ? 0 : kGiB}, bytes}),
          k(m.kernel()),
          image(k.kexec.loading),
          page(geometry(k).page_size()) {
        m.boot_mm();
        init_list(image);
        image.address_limit = ~u64{0};
        free_before = mm::counts(k).free_pages;
    }
    void release() {
        free_list(k, image);
        free_control(k, image);
        free_waiting(k, image.dest_pages);
        free_chain(k, image.unusable_pages, Owner::kKernel);
    }
    void add(u64 mem, u64 memsz) {
        KexecSegment& s = image.segments[image.segment_count++];
        s.mem = {mem};
        s.memsz = memsz;
    }
};

/// Random disjoint segments whose content is a file each.
inline std::vector<std::vector<u8>> random_segments(Bench& b, std::mt19937_64& random, u32 count, u64 pages_max) {
    const auto pick = [&random](u64 n) { return random() % n; };
    std::vector<std::vector<u8>> contents;
    while (b.image.segment_count < count) {
        const u64 memsz = (1 + pick(pages_max)) * b.page;
        const u64 mem = b.m.ram().start.value + align_down(pick(b.m.ram().size - memsz), b.page);
        if (is_destination(b.image, {{mem}, memsz})) continue;
        std::vector<u8> content(pick(3) == 0 ? memsz : 1 + pick(memsz));
        std::generate(content.begin(), content.end(), [&random] { return static_cast<u8>(random()); });
        const u64 in_file = pick(3 * b.page);  // content may begin anywhere in a file
        const auto slot = files::create(b.k, in_file + content.size());
        REQUIRE(slot);
        for (u64 i = 0; i < content.size(); ++i)
            *ram::write<u8>(files::page_at(b.k, *slot, in_file + i) + (in_file + i) % b.page) = content[i];
        KexecSegment s = file_content(*slot, in_file, content.size());
        s.mem = {mem};
        s.memsz = memsz;
        b.image.segments[b.image.segment_count++] = s;
        contents.push_back(std::move(content));
    }
    return contents;
}

}  // namespace baton::test
