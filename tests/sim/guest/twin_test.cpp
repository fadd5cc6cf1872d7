// SPDX-License-Identifier: GPL-2.0-only
// The same kernel as host code and as machine code: the same calls in the same order, the same bytes.
#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tests/catch.hpp"
#include "tests/support/twin_machine.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::test;

namespace {

std::string image_path(const Geometry& g) {
    return (std::filesystem::path(BATON_IMAGES) / g.name / "baton.img").string();
}

void live(TwinMachine& m, const ImageFile& image) {
    REQUIRE(m.boot(image, "kho=on kho_scratch=16M,16M,16M").kind == Stop::Kind::kIdle);
    for (int hop = 0; hop < 2; ++hop) {
        const u64 slot = m.put_file(image.bytes());
        REQUIRE(m.command(Op::kKexecFileLoad, {slot, ~u64{0}}, "kho=on").kind == Stop::Kind::kIdle);
        REQUIRE(m.reply().error == 0);
        REQUIRE(m.command(Op::kExec).kind == Stop::Kind::kIdle);
    }
}

// Frames that may differ (decision D4): images, stacks, control pages. Here only the first two are counted.
u64 differing(TwinMachine& a, TwinMachine& b) {
    u64 n = 0;
    for (const PhysRange& r : a.memory.ranges())
        for (u64 f = r.start.value >> kFrameShift; f < r.end().value >> kFrameShift; ++f)
            n += std::memcmp(a.memory.frame(f), b.memory.frame(f), kFrameSize) != 0;
    return n;
}

// Boots, loads, and jumps with `damage` done at a point on the way.
Stop die(TwinMachine& m, const ImageFile& image, Site at, const std::function<void(TwinMachine&)>& damage) {
    m.boot(image, "kho=on kho_scratch=16M,16M,16M");
    const u64 slot = m.put_file(image.bytes());
    m.command(Op::kKexecFileLoad, {slot, ~u64{0}}, "kho=on");
    m.on_site = [&m, at, damage](Site s, u64 nth) {
        if (s == at && nth == 1) damage(m);
        return SiteAction::kGoOn;
    };
    return m.command(Op::kExec);
}

// The words of the nth call of that name.
std::vector<u64> words_of(const TwinMachine& m, std::string_view name, std::size_t nth) {
    for (const std::string& call : m.calls) {
        if (!call.starts_with(name) || nth-- != 0) continue;
        const std::size_t second = call.rfind(' ');
        return {std::stoull(call.substr(name.size()), nullptr, 16), std::stoull(call.substr(second), nullptr, 16)};
    }
    FAIL("no call " << name);
    return {};
}

void require_same_end(const Geometry& g, Site at, Fault::Kind x86, Fault::Kind arm,
                      const std::function<void(TwinMachine&)>& damage) {
    INFO(g.name);
    const ImageFile image = ImageFile::load(image_path(g));
    TwinMachine native(g.id, Target::kNative);
    TwinMachine guest(g.id, Target::kGuest);
    const Stop n = die(native, image, at, damage);
    const Stop u = die(guest, image, at, damage);
    REQUIRE(n.kind == Stop::Kind::kFault);
    REQUIRE(u.kind == Stop::Kind::kFault);
    REQUIRE(n.fault.kind == (g.isa == Isa::kX86_64 ? x86 : arm));
    CAPTURE(u.fault.args[0], u.fault.args[1], n.fault.args[0], n.fault.args[1]);
    INFO(guest.guest().crash()->to_text());
    REQUIRE(u.fault.kind == n.fault.kind);
    REQUIRE(std::ranges::equal(u.fault.args, n.fault.args));
    REQUIRE(guest.calls == native.calls);
    REQUIRE(guest.guest().crash());
}

}  // namespace

TEST_CASE("guest: a damaged destination ends as it does natively") {
    for (const Geometry& g : kGeometries)
        require_same_end(g, Site::kRelocateDone, Fault::Kind::kPurgatoryLoop, Fault::Kind::kImageCorrupted,
                         [](TwinMachine& m) {
                             const Kimage& image = m.kernel().kexec.image;
                             PhysAddr text;
                             for (u64 i = 0; i < image.segment_count; ++i)
                                 if (image.segments[i].memsz >= kImageSize) text = image.segments[i].mem + 0x2000;
                             const u8 flipped[] = {static_cast<u8>(m.memory.load<u8>(text).value() ^ 1)};
                             REQUIRE(m.guest_write(text, flipped));
                         });
}

TEST_CASE("guest: a damaged entry list ends as it does natively") {
    for (const Geometry& g : kGeometries) {
        const u64 page = g.page_size();
        require_same_end(
            g, Site::kRelocateStart, Fault::Kind::kTripleFault, Fault::Kind::kTripleFault, [page](TwinMachine& m) {
                const PhysAddr list{words_of(m, "relocate.start", 0)[0] & ~(page - 1)};
                const u64 hole = (m.memory.ranges().back().end().value + 64 * kMiB) | 8;
                REQUIRE(m.guest_write(list + 5 * sizeof(u64), {reinterpret_cast<const u8*>(&hole), sizeof(hole)}));
            });
    }
}

TEST_CASE("guest: a damaged purgatory ends as it does natively") {
    require_same_end(geometry_of(GeometryId::kX86_64), Site::kRelocateDone, Fault::Kind::kImageCorrupted,
                     Fault::Kind::kImageCorrupted, [](TwinMachine& m) {
                         const PhysAddr start{words_of(m, "relocate.start", 0)[1]};
                         const u8 zeroes[16] = {};
                         REQUIRE(m.guest_write(start + 0x80, zeroes));
                     });
}

TEST_CASE("guest: a waiting kernel goes on in another machine, through a kexec") {
    for (const Geometry& g : kGeometries) {
        INFO(g.name);
        const ImageFile image = ImageFile::load(image_path(g));
        TwinMachine first(g.id, Target::kGuest);
        first.boot(image, "kho=on kho_scratch=16M,16M,16M");
        const u64 slot = first.put_file(image.bytes());
        first.command(Op::kKexecFileLoad, {slot, ~u64{0}}, "kho=on");

        TwinMachine second(g.id, Target::kGuest);
        first.memory.ever().for_each([&](u64 f) { second.memory.set_frame(f, first.memory.frame(f)); });
        second.guest().restore_cpu(first.guest().save_cpu());
        second.adopt(first);
        first.calls.clear();
        REQUIRE(first.command(Op::kExec).kind == Stop::Kind::kIdle);
        REQUIRE(second.command(Op::kExec).kind == Stop::Kind::kIdle);
        REQUIRE(second.calls == first.calls);
        REQUIRE(differing(first, second) == 0);
    }
}

TEST_CASE("guest: two kexecs make the calls of the native kernel, in its order") {
    for (const Geometry& g : kGeometries) {
        if (!std::filesystem::exists(image_path(g))) FAIL("no image " << image_path(g));
        const ImageFile image = ImageFile::load(image_path(g));
        INFO(g.name);
        TwinMachine native(g.id, Target::kNative);
        TwinMachine guest(g.id, Target::kGuest);
        live(native, image);
        live(guest, image);
        for (std::size_t i = 0; i < std::min(native.calls.size(), guest.calls.size()); ++i) {
            INFO("call " << i);
            REQUIRE(native.calls[i] == guest.calls[i]);
        }
        REQUIRE(native.calls.size() == guest.calls.size());
        // Three images of 64 frames at most, and three control pages of up to 16 frames.
        REQUIRE(differing(native, guest) < 3 * 64 + 3 * 16);
        const FrameSet& ever = guest.memory.ever();
        for (const PhysRange& r : guest.memory.ranges())
            for (u64 f = r.start.value >> kFrameShift; f < r.end().value >> kFrameShift; ++f)
                if (!ever.contains(f) && !guest.memory.is_background(guest.memory.frame(f)))
                    FAIL("frame " << f << " is missing");
    }
}
