// SPDX-License-Identifier: GPL-2.0-only
// Three hops with three different images into the same scratch memory: what is executed is the image that lies there,
// and none that was translated from the same addresses before (decision D36).
//
// The images are one kernel in three layouts: all have the same text base and behave the same, so stale code would go
// unnoticed but for where it is. So at every call of a kernel the CPU must stand in the function that makes such calls,
// by the names of the image that RAM says is running.
#include <filesystem>
#include <set>

#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/twin_machine.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::test;

namespace {

constexpr GeometryId kIds[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K};

std::filesystem::path folder_of(GeometryId id) { return std::filesystem::path(BATON_IMAGES) / geometry_of(id).name; }

bool of_machine_code(Site s) {
    switch (s) {
        case Site::kRelocateStart:
        case Site::kRelocatePage:
        case Site::kRelocateDone:
        case Site::kPurgatoryStart:
        case Site::kPurgatoryRegion:
        case Site::kPurgatoryDone:
        case Site::kDecompress: return true;
        default: return false;
    }
}

}  // namespace

TEST_CASE("guest: three hops with three different images in the same scratch run the right code each time") {
    for (const GeometryId id : kIds) {
        CAPTURE(geometry_of(id).name);
        std::vector<ImageFile> images;
        std::vector<SymbolTable> names;
        for (const char* layout : {"baton", "baton-reversed", "baton-sorted"}) {
            images.push_back(ImageFile::load(folder_of(id) / (std::string(layout) + ".img")));
            names.push_back(SymbolTable::load(folder_of(id) / (std::string(layout) + ".elf")));
        }
        TwinMachine m(id, Target::kGuest, {}, 256 * kMiB);
        m.guest().set_symbols(SymbolFiles::in(folder_of(id)));
        std::set<u64> pcs;                // of calls, of the kernel that runs
        std::vector<std::string> astray;  // calls from somewhere else
        m.on_site = [&](Site s, u64) {
            if (of_machine_code(s)) return SiteAction::kGoOn;
            const u64 pc = m.guest().engine().pc();
            pcs.insert(pc);
            if (const std::string name = m.guest().symbol(pc); !name.starts_with("baton::platform::"))
                astray.push_back(name);
            return SiteAction::kGoOn;
        };
        REQUIRE(m.boot(images[0], "kho=on kho_scratch=16M,32M,16M").kind == Stop::Kind::kIdle);
        std::set<u64> places;
        for (const std::size_t next : {1u, 2u, 0u, 1u}) {
            CAPTURE(next);
            m.command(Op::kFinalise);
            const u64 slot = m.put_file(images[next].bytes());
            m.command(Op::kKexecFileLoad, {slot, ~u64{0}}, "kho=on");
            REQUIRE(m.reply().error == 0);
            pcs.clear();
            REQUIRE(m.command(Op::kExec).kind == Stop::Kind::kIdle);
            REQUIRE(m.kernel().header.text_xxh3 == images[next].header().text_xxh3);
            REQUIRE(m.kernel().kho.is_kho_boot == 1);
            places.insert(m.kernel().image.value);
            m.command(Op::kAlloc, {static_cast<u64>(AllocKind::kPages), 77});  // something to do for it
            REQUIRE(m.reply().error == 0);
            for (const std::string& name : astray) UNSCOPED_INFO("a call from " << name);
            REQUIRE(astray.empty());
            REQUIRE_FALSE(pcs.empty());
            // The names of the others would not do: the test can tell.
            for (std::size_t other = 0; other < images.size(); ++other) {
                if (other == next) continue;
                bool told = false;
                for (const u64 pc : pcs) told = told || !names[other].describe(pc).starts_with("baton::platform::");
                CHECK(told);
            }
        }
        REQUIRE(places.size() == 1);
    }
}
