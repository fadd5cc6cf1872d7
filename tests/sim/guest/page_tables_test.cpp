// SPDX-License-Identifier: GPL-2.0-only
// The address space that a booted guest really runs under: what CR3 and TTBR1 lead to, leaf by leaf, for images at
// different physical places (specs/boot.md §3, §4; decision D35).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/port.hpp"
#include "tests/catch.hpp"
#include "tests/support/twin_machine.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::test;

namespace {

struct Leaf {
    u64 va;
    PageWalk walk;
};

// Every mapping of one half of the address space. What is not mapped is passed over by as much as its table entry is
// for.
void leaves_of(const GuestRunner& guest, const Geometry& g, u64 start, u64 bytes, std::vector<Leaf>& into) {
    u64 at = 0;
    while (at < bytes) {
        const PageWalk w = guest.walk({start + at});
        if (w.fault == WalkFault::kClosed) return;
        const u64 step = w.leaf_bytes != 0 ? w.leaf_bytes : g.page_size() << (w.level * (g.page_shift - 3));
        if (w.leaf_bytes != 0) into.push_back({start + at, w});
        at = align_down(at, step) + step;
    }
}

std::vector<Leaf> all_leaves(GuestRunner& guest, const Geometry& g) {
    std::vector<Leaf> all;
    u64 low = u64{1} << (g.va_bits - 1);
    u64 high = low;
    if (g.isa == Isa::kAArch64) {
        const u64 tcr = read_register(guest.engine(), "tcr_el1");
        low = u64{1} << (64 - (tcr & 63));
        high = u64{1} << (64 - (tcr >> 16 & 63));
        REQUIRE(high == u64{1} << g.va_bits);
    }
    leaves_of(guest, g, 0, low, all);
    leaves_of(guest, g, 0 - high, high, all);
    return all;
}

struct Layout {
    const Geometry& g;
    const Kernel& k;
    u64 text() const { return g.kernel_text_base; }
    bool in_image(u64 va) const { return va - text() < k.image_size; }
    bool is_code(u64 va) const {
        const ImageHeader& h = k.header;
        const u64 page = g.page_size();
        const u64 offset = va - text();
        const bool relocation = g.isa == Isa::kX86_64 && offset >= align_down(h.relocate_offset, page) &&
                                offset < align_up(h.relocate_offset + h.relocate_size, page);
        return relocation ||
               (offset >= align_down(h.text_offset, page) && offset < align_up(h.text_offset + h.text_size, page));
    }
    bool in_window(PhysAddr a) const {
        const PortMap& port = port_map(g.isa);
        return PhysRange{port.window, port.window_bytes}.contains(a);
    }
};

void check_leaf(const Layout& l, const Leaf& leaf, u64& direct_bytes) {
    const PageWalk& w = leaf.walk;
    CAPTURE(to_text(w, {leaf.va}));
    REQUIRE_FALSE((w.kernel_write && w.kernel_execute));
    REQUIRE_FALSE((w.user_read || w.user_write || w.user_execute));
    if (l.in_image(leaf.va)) {
        REQUIRE(w.address == l.k.image + (leaf.va - l.text()));
        REQUIRE(w.kernel_execute == l.is_code(leaf.va));
        REQUIRE(w.kernel_write == !l.is_code(leaf.va));
    } else if (l.in_window(w.address)) {
        REQUIRE(w.kernel_write);
        REQUIRE_FALSE(w.kernel_execute);
    } else {
        REQUIRE(leaf.va == l.g.direct_map_base + (w.address - l.k.memstart));
        REQUIRE(w.kernel_write);
        REQUIRE_FALSE(w.kernel_execute);
        direct_bytes += w.leaf_bytes;
    }
}

void check_space(TwinMachine& m, const Geometry& g) {
    GuestRunner& guest = m.guest();
    const Kernel& k = m.kernel();
    CAPTURE(std::string(g.name), k.image.value);
    const bool x86 = g.isa == Isa::kX86_64;
    // AArch64: the register also holds an ASID, and the common-not-private bit.
    const u64 root = read_register(guest.engine(), x86 ? "cr3" : "ttbr1_el1") & 0xfffffffff000;
    REQUIRE(root == k.page_table.value);
    REQUIRE(m.root == k.page_table);

    const Layout l{g, k};
    const std::vector<Leaf> leaves = all_leaves(guest, g);
    u64 direct = 0;
    for (const Leaf& leaf : leaves) check_leaf(l, leaf, direct);
    const u64 ram = m.memory.size_bytes();
    REQUIRE(direct <= ram);
    REQUIRE(direct + 2 * kMiB > ram);  // all but what the firmware keeps
    const u64 code =
        static_cast<u64>(std::ranges::count_if(leaves, [&](const Leaf& f) { return f.walk.kernel_execute; }));
    REQUIRE(code > 0);
    REQUIRE(code * g.page_size() < k.image_size);
    // What maps RAM one to one is gone.
    REQUIRE_FALSE(guest.walk({k.image.value + k.header.text_offset}).allowed());

    const PageWalk text = guest.walk({l.text() + k.header.text_offset}, {.kind = WalkAccess::Kind::kFetch});
    REQUIRE(text.allowed());
    REQUIRE_FALSE(guest.walk({l.text() + k.header.text_offset}, {.kind = WalkAccess::Kind::kWrite}).allowed());
    // The same bytes through the direct map are data.
    const u64 alias = g.direct_map_base + (text.address - k.memstart);
    REQUIRE(guest.walk({alias}).address == text.address);
    REQUIRE_FALSE(guest.walk({alias}, {.kind = WalkAccess::Kind::kFetch}).allowed());
    // The page below the boot stack is a hole, unless it shares one with the stack.
    const u64 guard = l.text() + kBootStackOffset - 1;
    REQUIRE(guest.walk({guard}).allowed() == (g.page_shift == 16));
    // The CPU stands in the text, on a stack that is data.
    REQUIRE(l.is_code(guest.engine().pc()));
    REQUIRE(guest.walk({guest.engine().sp()}, {.kind = WalkAccess::Kind::kWrite}).allowed());
}

void hop(TwinMachine& m, const ImageFile& image, std::string_view command_line) {
    const u64 slot = m.put_file(image.bytes());
    REQUIRE(m.command(Op::kKexecFileLoad, {slot, ~u64{0}}, command_line).kind == Stop::Kind::kIdle);
    REQUIRE(m.reply().error == 0);
    REQUIRE(m.command(Op::kExec).kind == Stop::Kind::kIdle);
}

}  // namespace

TEST_CASE("guest: text is executable, everything else is data, wherever the image lies") {
    for (const Geometry& g : kGeometries) {
        const ImageFile image = ImageFile::load(std::filesystem::path(BATON_IMAGES) / g.name / "baton.img");
        // With 64K pages a scratch area has 512 MiB at least.
        TwinMachine m(g.id, Target::kGuest, {}, g.page_shift == 16 ? 4 * kGiB : 256 * kMiB);
        std::set<u64> places;
        const auto look = [&] {
            check_space(m, g);
            places.insert(m.kernel().image.value);
        };
        REQUIRE(m.boot(image, "kho=on kho_scratch=16M,32M,16M").kind == Stop::Kind::kIdle);
        look();
        hop(m, image, "");  // into scratch
        look();
        hop(m, image, "kho=on kho_scratch=24M,16M,16M");  // a kernel without KHO places where it likes
        look();
        hop(m, image, "kho=on");  // and into other scratch
        look();
        INFO(fmt::format("{} at {:#x}", g.name, fmt::join(places, " ")));
        REQUIRE(places.size() >= 3);
    }
}
