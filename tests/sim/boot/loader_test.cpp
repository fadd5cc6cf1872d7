// SPDX-License-Identifier: GPL-2.0-only
// The boot loader role (decision D26): where things lie, what is refused, and that a kernel accepts what was written.
#include "sim/boot/loader.hpp"

#include <libfdt.h>

#include <cstring>
#include <utility>

#include "model/boot/x86_64/boot_params.hpp"
#include "sim/map_file/map_file.hpp"
#include "tests/catch.hpp"
#include "tests/support/bare_machine.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

ImageFile image(Isa isa) {
    return ImageFile::load(std::string(BATON_IMAGES) + (isa == Isa::kX86_64 ? "/x86_64" : "/aarch64") + "/baton.img");
}

// A machine as far as a loader sees it.
struct Bench {
    MachineMap map;
    PhysicalMemory memory;
    ImageFile file;
    explicit Bench(MachineMap machine) : map(std::move(machine)), memory(map.ram), file(image(map.isa)) {}
    Bench(Isa isa, u64 ram) : Bench(MachineMap(isa, ram)) {}
    LoadedBoot load(std::string_view line = "quiet", std::vector<u8> initrd = {}) {
        return load_for_boot(map, memory, file, line, initrd);
    }
    template <class T>
    T at(PhysAddr a) {
        T v;
        REQUIRE(memory.read(a, {reinterpret_cast<u8*>(&v), sizeof(v)}));
        return v;
    }
    bool holds(PhysAddr a, std::span<const u8> bytes) {
        const u8* p = memory.bytes({a, bytes.size()});
        return p != nullptr && std::memcmp(p, bytes.data(), bytes.size()) == 0;
    }
    // Boots a model kernel on it; it stops where memory is set up.
    sim::Fault boot(const LoadedBoot& loaded, test::BareMachine& host, const std::function<void(Kernel&)>& check) {
        platform::ram_view = memory.view();
        Kernel& k = *reinterpret_cast<Kernel*>(memory.claim({loaded.image + kKernelOffset, sizeof(Kernel)}));
        std::memset(static_cast<void*>(&k), 0, sizeof(k));
        k.image = loaded.image;
        k.image_size = kImageSize;
        k.header = file.header();
        k.config.geometry = k.header.geometry;
        k.config.generation = k.header.generation;
        k.boot.argument = {loaded.argument};
        return host.run([&] {
            memblock::init(k.memblock, geometry(k).page_shift);
            if (map.isa == Isa::kX86_64)
                boot::setup_x86_64(k);
            else
                boot::setup_aarch64(k);
            check(k);
        });
    }
};

const std::vector<u8> kInitrd(0x4c04d, 0x3c);

// Walks the identity tables as a CPU would: 4 levels, 2 MiB leaves.
u64 translate(Bench& b, u64 va) {
    PhysAddr table = kIdentityRoot;
    for (u32 shift = 39; shift >= 21; shift -= 9) {
        const u64 entry = b.at<u64>(table + (va >> shift & 511) * 8);
        REQUIRE((entry & 3) == 3);
        if (shift == 21) {
            REQUIRE((entry & 0x80) != 0);
            return (entry & 0x000fffffffe00000) | (va & 0x1fffff);
        }
        REQUIRE((entry & 0x80) == 0);
        table = {entry & 0x000ffffffffff000};
    }
    return ~u64{0};
}

}  // namespace

TEST_CASE("loader: x86-64 places everything where D26 says") {
    Bench b(Isa::kX86_64, 512 * kMiB);
    const LoadedBoot l = b.load("kho=on quiet", kInitrd);
    CHECK(l.image.value == 0x1000000);
    CHECK(l.argument == 0x90000);
    CHECK(l.initrd == PhysRange{{0x1ffb3000}, 0x4c04d});
    CHECK(b.holds(l.image, b.file.payload()));
    CHECK(b.holds(l.initrd.start, kInitrd));
    const auto p = b.at<boot::BootParams>({0x90000});
    CHECK(p.header.header == boot::kHeaderMagic);
    CHECK(p.header.cmd_line_ptr == 0x91000);
    CHECK(p.header.ramdisk_image == 0x1ffb3000);
    CHECK(p.header.type_of_loader == 0xff);
    CHECK(p.e820_entries == b.map.entries.size());
    CHECK(b.holds({0x91000}, std::span(reinterpret_cast<const u8*>("kho=on quiet"), 13)));
    CHECK(b.at<u64>(kBootGdt + 0x10) == 0x00af9b000000ffff);
}

TEST_CASE("loader: the identity map covers the first 2 GiB") {
    Bench b(Isa::kX86_64, 512 * kMiB);
    b.load();
    for (const u64 va : {u64{0}, u64{0x90123}, u64{0x1000200}, 1 * kGiB - 1, 1 * kGiB, 2 * kGiB - 1})
        CHECK(translate(b, va) == va);
    CHECK((b.at<u64>(PhysAddr{0x93000 + 2 * 8}) & 1) == 0);
}

TEST_CASE("loader: an initrd never lies above 2 GiB on x86-64") {
    Bench b(Isa::kX86_64, 8 * kGiB);
    CHECK(b.load("", kInitrd).initrd.start.value == 0x7ffb3000);
}

TEST_CASE("loader: AArch64 places everything where D26 says") {
    Bench b(Isa::kAArch64, 512 * kMiB);
    const LoadedBoot l = b.load("kho=on", kInitrd);
    CHECK(l.image.value == 0x40200000);
    CHECK(l.argument == 0x48000000);
    CHECK(l.initrd.start.value == 0x5ffb3000);
    CHECK(b.holds(l.image, b.file.payload()));
    CHECK(b.holds(l.initrd.start, kInitrd));
    const u8* tree = b.memory.bytes(l.device_tree);
    REQUIRE(tree != nullptr);
    CHECK(fdt_check_full(tree, l.device_tree.size) == 0);
    CHECK(fdt_totalsize(tree) == l.device_tree.size);
}

TEST_CASE("loader: on a small AArch64 machine the tree is at the top") {
    Bench b(Isa::kAArch64, 64 * kMiB);
    const LoadedBoot l = b.load("kho=on", kInitrd);
    CHECK(l.argument == 0x43e00000);
    CHECK(l.initrd.start.value == 0x43db3000);
}

TEST_CASE("loader: kernels accept what it writes, from 64 MiB to 16 TiB") {
    for (const Isa isa : {Isa::kX86_64, Isa::kAArch64}) {
        for (const u64 ram : {64 * kMiB, 256 * kMiB, 512 * kMiB, 3 * kGiB, 4 * kGiB, 1 * kTiB, 16 * kTiB}) {
            INFO(static_cast<u32>(isa) << " with " << ram / kMiB << " MiB");
            test::BareMachine host;  // answers platform calls; its RAM is not used
            Bench b(isa, ram);
            const LoadedBoot l = b.load("kho=off a=\"b c\"", kInitrd);
            std::string line;
            u64 memory = 0;
            PhysRange initrd;
            bool safe = true;
            const auto fault = b.boot(l, host, [&](Kernel& k) {
                line = k.command_line();
                memory = k.memblock.memory.total_size;
                initrd = k.boot.initrd;
                for (const PhysAddr a : {l.image, l.image + kImageSize - 1, l.initrd.start, l.initrd.end() - 1})
                    safe = safe && memblock::is_reserved(k.memblock, a) && memblock::is_memory(k.memblock, a);
                if (isa == Isa::kAArch64) safe = safe && memblock::is_reserved(k.memblock, {l.argument});
            });
            CHECK(fault.kind == sim::Fault::Kind::kNone);
            CHECK(line == "kho=off a=\"b c\"");
            CHECK(initrd == l.initrd);
            CHECK(safe);
            // x86-64: page 0, the last KiB of low RAM's page, video and ROM are no memory.
            const u64 lost = isa == Isa::kX86_64 ? 0x1000 + (kMiB - 0x9f000) : 0;
            CHECK(memory >= ram - lost - 0x1000);
            CHECK(memory <= ram - lost + 0x1000);
        }
    }
}

TEST_CASE("loader: what cannot be placed is refused with a sentence") {
    using Catch::Contains;
    CHECK_THROWS_WITH(Bench(Isa::kX86_64, 16 * kMiB).load(), Contains("16 MiB of RAM are too little"));
    CHECK_THROWS_WITH(Bench(Isa::kX86_64, 64 * kMiB).load("", std::vector<u8>(48 * kMiB)), Contains("does not fit"));
    CHECK_THROWS_WITH(Bench(Isa::kX86_64, 64 * kMiB).load("", std::vector<u8>(100 * kMiB)), Contains("does not fit"));
    CHECK_THROWS_WITH(Bench(Isa::kAArch64, 256 * kMiB).load("", std::vector<u8>(127 * kMiB)), Contains("does not fit"));
    CHECK_THROWS_WITH(Bench(Isa::kX86_64, 64 * kMiB).load(std::string(2048, 'x')), Contains("at most 2047 bytes"));
    CHECK_THROWS_WITH(Bench(Isa::kX86_64, 64 * kMiB).load(std::string_view("a\0b", 3)), Contains("NUL"));
    Bench b(Isa::kX86_64, 64 * kMiB);
    const ImageFile arm = image(Isa::kAArch64);
    CHECK_THROWS_WITH(load_for_boot(b.map, b.memory, arm, "", {}), Contains("another ISA"));
    CHECK_NOTHROW(Bench(Isa::kX86_64, 64 * kMiB).load(std::string(2047, 'x'), std::vector<u8>(40 * kMiB)));
    CHECK_NOTHROW(Bench(Isa::kAArch64, 16 * kMiB).load());
}

namespace {

MachineMap described(Isa isa, std::vector<PhysRange> ram, std::vector<PhysRange> reserved = {}) {
    FirmwareMap firmware{.name = "odd", .isa = {}, .entries = {}, .reserved = std::move(reserved), .device_tree = {}};
    for (const PhysRange& r : ram) firmware.entries.push_back({r.start, r.size, static_cast<u32>(MemoryType::kRam), 0});
    return {isa, std::move(firmware)};
}

// A kernel boots up to its memblock and finds image, initrd and RAM where they are.
void require_accepted(Bench& b, const LoadedBoot& l) {
    test::BareMachine host;
    bool safe = true;
    u64 memory = 0;
    const auto fault = b.boot(l, host, [&](Kernel& k) {
        memory = k.memblock.memory.total_size;
        for (const PhysAddr a : {l.image, l.image + kImageSize - 1, l.initrd.start, l.initrd.end() - 1})
            safe = safe && memblock::is_reserved(k.memblock, a) && memblock::is_memory(k.memblock, a);
        for (const PhysRange& r : b.map.reserved) safe = safe && memblock::is_reserved(k.memblock, r.start);
    });
    REQUIRE(fault.kind == sim::Fault::Kind::kNone);
    CHECK(safe);
    CHECK(memory > b.map.ram_bytes - 2 * kMiB);
}

}  // namespace

TEST_CASE("loader: on maps with other holes everything moves to the nearest place that is RAM") {
    SECTION("x86-64: the usual places, though RAM does not begin at 0 and ends in the middle of a page") {
        Bench b(described(Isa::kX86_64, {{{0x1000}, 0x9ec00}, {{kMiB}, 0x1fedf800}, {{4 * kGiB}, kGiB}}));
        const LoadedBoot l = b.load("kho=on", kInitrd);
        CHECK(l.image.value == 0x1000000);
        CHECK(l.argument == 0x90000);
        CHECK(l.initrd.end().value <= 0x1ffdf000);
        require_accepted(b, l);
    }
    SECTION("x86-64: no room at 0x90000, a hole at 16 MiB") {
        Bench b(described(Isa::kX86_64, {{{0}, 0x80000}, {{kMiB}, 15 * kMiB}, {{0x1080000}, 0x8000000}}));
        const LoadedBoot l = b.load("kho=on", kInitrd);
        CHECK(l.argument == 0x79000);
        CHECK(l.tables.root.value == 0x7b000);
        CHECK(l.image.value == 0x1200000);
        require_accepted(b, l);
    }
    SECTION("x86-64: no RAM below 1 MiB at all") {
        Bench b(described(Isa::kX86_64, {{{kMiB}, 255 * kMiB}}));
        const LoadedBoot l = b.load("kho=on", kInitrd);
        CHECK(l.argument == 0xfff9000);
        CHECK(l.initrd.end().value <= 0xfff9000);
    }
    SECTION("x86-64: twenty runs of RAM") {
        std::vector<PhysRange> ram{{{0}, 0x9fc00}};
        for (u64 i = 0; i < 20; ++i) ram.push_back({{kMiB + i * 64 * kMiB}, 60 * kMiB});
        Bench b(described(Isa::kX86_64, ram));
        const LoadedBoot l = b.load("kho=on", kInitrd);
        CHECK(l.image.value == 0x1000000);
        require_accepted(b, l);
    }
    SECTION("AArch64: RAM from 2 GiB, its first run too small, reservations where things would lie") {
        Bench b(described(Isa::kAArch64, {{{0x80000000}, kMiB}, {{0x80800000}, 512 * kMiB}, {{0x100000000}, kGiB}},
                          {{{0x90000000}, 4 * kMiB}}));
        const LoadedBoot l = b.load("kho=on", kInitrd);
        CHECK(l.image.value == 0x80a00000);
        CHECK(l.argument == 0x8fe00000);  // up to the reservation the run is less than 256 MiB
        CHECK(l.initrd.end().value <= 0x8fe00000);
        require_accepted(b, l);
    }
    SECTION("AArch64: RAM that begins between two image boundaries") {
        Bench b(described(Isa::kAArch64, {{{0x40123000}, 64 * kMiB}}));
        const LoadedBoot l = b.load("kho=on", kInitrd);
        CHECK(l.image.value == 0x40200000);
        require_accepted(b, l);
    }
}

TEST_CASE("loader: a machine described by a device tree boots with that tree, /chosen and reservations added") {
    const FirmwareMap firmware = read_map_file(BATON_SOURCE_DIR "/tests/data/linux-kho/aarch64-6.16/k2/boot.dtb");
    FirmwareMap with_reserved = firmware;
    with_reserved.reserved.push_back({{0x50000000}, kMiB});
    Bench b(MachineMap(Isa::kAArch64, with_reserved));
    const LoadedBoot l = b.load("kho=on", kInitrd);
    const u8* tree = b.memory.bytes(l.device_tree);
    REQUIRE(tree != nullptr);
    CHECK(fdt_path_offset(tree, "/intc@8000000") >= 0);
    const int chosen = fdt_path_offset(tree, "/chosen");
    CHECK(std::string_view(static_cast<const char*>(fdt_getprop(tree, chosen, "bootargs", nullptr))) == "kho=on");
    CHECK(fdt_num_mem_rsv(tree) == 1);
    require_accepted(b, l);
}
