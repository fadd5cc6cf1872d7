// SPDX-License-Identifier: GPL-2.0-only
// The same kernel as host code and as machine code: the same calls in the same order, the same bytes.
#include <filesystem>

#include "tests/catch.hpp"
#include "tests/sim/guest/twin_machine.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::test;

namespace {

std::string image_path(const Geometry& g) { return (std::filesystem::path(BATON_IMAGES) / g.name / "baton.img").string(); }

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

}  // namespace

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
                if (!ever.contains(f) && !guest.memory.is_background(guest.memory.frame(f))) FAIL("frame " << f << " is missing");
    }
}
