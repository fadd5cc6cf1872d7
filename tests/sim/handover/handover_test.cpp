// SPDX-License-Identifier: GPL-2.0-only
// The observer's view of a handover, and what independent tools make of the trees in it.
#include "sim/handover/handover.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/machines.hpp"

namespace baton::test {
namespace {

// dtc's source form of a flattened tree; empty when dtc does not accept it.
std::string dtc(const std::vector<u8>& tree) {
    char folder[] = "/tmp/baton-dtc-XXXXXX";
    REQUIRE(mkdtemp(folder) != nullptr);
    const std::filesystem::path at(folder);
    std::ofstream(at / "in.dtb", std::ios::binary)
        .write(reinterpret_cast<const char*>(tree.data()), static_cast<std::streamsize>(tree.size()));
    const std::string command =
        "dtc -q -I dtb -O dts -o " + (at / "out.dts").string() + " " + (at / "in.dtb").string() + " 2>/dev/null";
    std::string text;
    if (std::system(command.c_str()) == 0) {
        std::ifstream in(at / "out.dts");
        text.assign(std::istreambuf_iterator<char>(in), {});
    }
    std::filesystem::remove_all(at);
    return text;
}

struct Handed {
    Box box;
    std::vector<PhysAddr> folios;
    explicit Handed(GeometryId g) : box({.geometry = g, .ram_bytes = 256 * kMiB, .seed = 3}) {
        for (u64 order = 0; order <= 10; ++order) {
            const Reply folio = box.ask(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), order});
            folios.push_back({folio.values[0]});
            box.ask(Op::kPreserveFolio, {folio.values[0]});
        }
        box.ask(Op::kFinalise);
        box.load_next();
        box->begin_step();
        REQUIRE(box->command(Op::kExec).kind == sim::Outcome::Kind::kBooted);
    }
};

const GeometryId kIsas[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K};

}  // namespace

TEST_CASE("handover: dtc parses every tree that a kernel writes") {
    for (GeometryId g : kIsas) {
        Handed h(g);
        const sim::SeenHandover& seen = *h.box->handover();
        const std::string root = dtc(seen.handover.root_fdt.bytes);
        REQUIRE(root.find("compatible = \"kho-v1\"") != std::string::npos);
        REQUIRE(root.find("preserved-memory-map") != std::string::npos);
        REQUIRE(seen.handover.sub_fdts.size() == 1);
        REQUIRE(dtc(seen.handover.sub_fdts[0].bytes).find("reserve-mem-v1") != std::string::npos);
        std::vector<u8> broken = seen.handover.root_fdt.bytes;
        broken[0] ^= 1;
        REQUIRE(dtc(broken).empty());
        if (geometry_of(g).isa != Isa::kAArch64) continue;
        const PhysRange tree = h.box->kernel()->boot.device_tree;
        std::vector<u8> bytes(tree.size);
        REQUIRE(h.box->read(tree.start, bytes));
        REQUIRE(dtc(bytes).find("linux,kho-fdt") != std::string::npos);
    }
}

TEST_CASE("handover: the observer sees the blocks that were preserved, and the hash is of every part") {
    for (GeometryId g : kIsas) {
        Handed h(g);
        const sim::SeenHandover& seen = *h.box->handover();
        REQUIRE(seen.handover.warnings.empty());
        std::vector<sim::HandoverBlock> blocks = seen.handover.blocks;
        for (u32 order = 0; order <= 10; ++order)
            REQUIRE(std::count(blocks.begin(), blocks.end(), sim::HandoverBlock{h.folios[order], {order}}) == 1);
        // 11 folios, the FDT page, the reserve_mem blob and its region.
        REQUIRE(blocks.size() == 14);
        const Geometry& geometry = geometry_of(g);
        const auto hash = [&] { return sim::handover_hash(seen.boot, seen.handover, geometry, h.box->touched()); };
        const std::string first = hash();
        // The last folio is not zero pages only: flip one of its bytes, then put it back.
        const PhysAddr victim = h.folios[10] + 4 * kMiB - 1;
        u8 was = 0;
        REQUIRE(h.box->read(victim, {&was, 1}));
        const u8 flipped = was ^ 0x80;
        h.box->host_write(victim, {&flipped, 1});
        REQUIRE(hash() != first);
        h.box->host_write(victim, {&was, 1});
        REQUIRE(hash() == first);
        sim::Handover other = seen.handover;
        other.tracker[0].bytes[100] ^= 1;
        REQUIRE(sim::handover_hash(seen.boot, other, geometry, h.box->touched()) != first);
        other = seen.handover;
        other.scratch_array.phys += 16;
        REQUIRE(sim::handover_hash(seen.boot, other, geometry, h.box->touched()) != first);
        sim::BootHandover boot = seen.boot;
        boot.record[20] ^= 1;
        REQUIRE(sim::handover_hash(boot, seen.handover, geometry, h.box->touched()) != first);
    }
}

TEST_CASE("handover: hostile chunk lists end in warnings") {
    Handed h(GeometryId::kX86_64);
    const sim::SeenHandover seen = *h.box->handover();
    const Geometry& g = geometry_of(GeometryId::kX86_64);
    const PhysAddr chunk = seen.handover.tracker[0].phys;
    const auto warnings = [&] {
        return sim::read_handover(seen.boot, g, rules_for(Generation::k6_18), h.box->reader()).warnings.size();
    };
    REQUIRE(warnings() == 0);
    const auto with = [&](u64 offset, u64 value) {
        u64 was = 0;
        REQUIRE(h.box->read(chunk + offset, {reinterpret_cast<u8*>(&was), 8}));
        h.box->host_write(chunk + offset, {reinterpret_cast<const u8*>(&value), 8});
        const u64 n = warnings();
        h.box->host_write(chunk + offset, {reinterpret_cast<const u8*>(&was), 8});
        return n;
    };
    REQUIRE(with(0, chunk.value) == 1);            // the list comes back to itself
    REQUIRE(with(0, ~u64{0} << 12) == 1);          // next is not RAM
    REQUIRE(with(8, u64{0xffffffff} << 32) >= 1);  // 2^32 - 1 entries
    REQUIRE(with(8, (u64{1} << 32) | 60) == 1);    // order 60
    REQUIRE(with(24, 0xfffffffffffff000) == 1);    // a bitmap that is not RAM
}

}  // namespace baton::test
