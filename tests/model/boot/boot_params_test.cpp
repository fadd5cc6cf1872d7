// SPDX-License-Identifier: GPL-2.0-only
// write_boot_params: the segment for the next x86-64 kernel, and that kernel reading it (specs/kexec.md §5.1;
// specs/boot.md §2; specs/kho.md §2.8).
#include "tests/catch.hpp"
#include "tests/model/boot/boot_data.hpp"

using namespace baton;
using namespace baton::test;

namespace {

// The command line of the 6.16 capture: 132 bytes with its NUL.
constexpr std::string_view kCapturedLine =
    "console=ttyS0,115200 loglevel=7 kho=on kho_scratch=16M,64M,32M reserve_mem=2M:4096:data "
    "reserve_mem=12288:4096:small memblock=debug";
static_assert(kCapturedLine.size() == 131);

constexpr PhysAddr kBuffer{0x4000000};
constexpr PhysAddr kDestination{0x1eff9000};

boot::NextBoot captured_boot() {
    return {.command_line = kCapturedLine,
            .initrd = {{0x1efa3000}, 0x4c04d},
            .kho_fdt = {0x396000},
            .kho_fdt_size = 4096,
            .kho_scratch = {0x1eff0000},
            .kho_scratch_bytes = 48};
}

std::vector<u8> image_start() {
    std::vector<u8> image(4096, 0xcc);  // what is not setup header must not get into the zero page
    const auto h = setup_header();
    std::memcpy(image.data() + boot::kSetupHeaderOffset, &h, sizeof(h));
    return image;
}

// A kernel that has booted from a zero page and writes the next one.
struct Writer {
    BareMachine m{GeometryId::kX86_64, {{0}, 512 * kMiB}};
    std::vector<u8> image = image_start();
    Writer() {
        auto p = zero_page(512 * kMiB);
        p.acpi_rsdp = 0xf59d0;
        give(m, p);
        boot::setup_x86_64(m.kernel());
        std::memset(m.bytes(kBuffer), 0xa5, 3 * 4096);  // stale memory must not shine through
    }
    std::vector<u8> write(const boot::NextBoot& next) {
        const u64 size = boot::boot_params_size(m.kernel(), next);
        boot::write_boot_params(m.kernel(), next, kBuffer, kDestination, image.data());
        CHECK(*m.bytes(kBuffer + size) == std::byte{0xa5});
        const u8* p = ram::read<u8>(kBuffer, size);
        return {p, p + size};
    }
};

const boot::BootParams& params(const std::vector<u8>& segment) {
    return *reinterpret_cast<const boot::BootParams*>(segment.data());
}

boot::SetupData node_at(const std::vector<u8>& segment, u64 destination) {
    boot::SetupData n;
    std::memcpy(&n, segment.data() + (destination - kDestination.value), sizeof(n));
    return n;
}

}  // namespace

TEST_CASE("boot params: the captured sizes give the captured layout") {
    Writer w;
    const auto segment = w.write(captured_boot());
    CHECK((segment.size() + 4095) / 4096 * 4096 == 0x2000);
    CHECK(params(segment).header.cmd_line_ptr == 0x1effa000);
    CHECK(std::string_view(reinterpret_cast<const char*>(segment.data()) + 4096) == kCapturedLine);

    // The RNG seed was pushed last, so it is met first; the KHO node behind it is the captured one, byte for byte.
    const auto seed = node_at(segment, params(segment).header.setup_data);
    CHECK(seed.type == 9);
    CHECK(seed.len == 32);
    CHECK(seed.next.value == 0x1effa0b0);
    const u8 golden[48] = {0, 0,    0,    0,    0, 0, 0, 0, 0x0a, 0,    0, 0, 0x20, 0, 0, 0,
                           0, 0x60, 0x39, 0,    0, 0, 0, 0, 0,    0x10, 0, 0, 0,    0, 0, 0,
                           0, 0,    0xff, 0x1e, 0, 0, 0, 0, 0x30, 0,    0, 0, 0,    0, 0, 0};
    CHECK(std::memcmp(segment.data() + 0x10b0, golden, sizeof(golden)) == 0);
}

TEST_CASE("boot params: the header is the image's, the rest is said by this kernel") {
    Writer w;
    const auto segment = w.write(captured_boot());
    const auto& p = params(segment);
    CHECK(p.header.header == boot::kHeaderMagic);
    CHECK(p.header.pref_address == 0x1000000);
    CHECK(p.header.type_of_loader == 0xd0);
    CHECK(p.header.loadflags == 0);
    CHECK(p.sentinel == 0);
    CHECK(p.acpi_rsdp == 0xf59d0);
    CHECK(p.ext_ramdisk_image == 0);
    CHECK(p.header.ramdisk_image == 0x1efa3000);
    CHECK(p.header.ramdisk_size == 0x4c04d);
    CHECK(p.e820_entries == 4);
    CHECK(p.e820_table[3].start == kMiB);
    CHECK(p.e820_table[3].size == 511 * kMiB);
    CHECK(segment[0x26c] == 0);  // behind the header's end
    CHECK(segment[0] == 0);
}

TEST_CASE("boot params: addresses above 4 GiB use the high halves") {
    Writer w;
    auto next = captured_boot();
    next.initrd = {{0x1'2345'6000}, 0x2'0000'1000};
    const u64 size = boot::boot_params_size(w.m.kernel(), next);
    boot::write_boot_params(w.m.kernel(), next, kBuffer, {0x7'8000'0000}, w.image.data());
    const auto& p = *ram::read<boot::BootParams>(kBuffer);
    CHECK(p.header.ramdisk_image == 0x23456000);
    CHECK(p.ext_ramdisk_image == 1);
    CHECK(p.header.ramdisk_size == 0x1000);
    CHECK(p.ext_ramdisk_size == 2);
    CHECK(p.header.cmd_line_ptr == 0x80001000);
    CHECK(p.ext_cmd_line_ptr == 7);
    CHECK(p.header.setup_data == 0x7'8000'0000 + size - 48);
}

TEST_CASE("boot params: without a handover the KHO node's room stays, unlinked") {
    Writer w;
    auto next = captured_boot();
    const u64 with = boot::boot_params_size(w.m.kernel(), next);
    next.kho_fdt = {};
    CHECK(boot::boot_params_size(w.m.kernel(), next) == with);
    const auto segment = w.write(next);
    CHECK(node_at(segment, params(segment).header.setup_data).next.value == 0);
    for (u64 i = 0; i < 48; ++i) REQUIRE(segment[0x10b0 + i] == 0);

    next = captured_boot();
    next.kho_scratch = {};
    const auto half = w.write(next);
    CHECK(node_at(half, params(half).header.setup_data).next.value == 0);
}

TEST_CASE("boot params: a header that claims to be longer than the field is cut") {
    Writer w;
    w.image[0x201] = 0xff;
    const auto segment = w.write(captured_boot());
    CHECK(segment[0x28f] == 0xcc);
    CHECK(segment[0x290] == 0);
    CHECK(params(segment).e820_table[0].size == 0x9fc00);
}

TEST_CASE("boot params: the next kernel learns what this one wrote") {
    Writer w;
    auto next = captured_boot();
    next.command_line = "kho=on quoted=\"a b\"";
    const auto segment = w.write(next);
    const std::vector<MemoryMapEntry> map(w.m.kernel().boot.memory_map,
                                          w.m.kernel().boot.memory_map + w.m.kernel().boot.memory_map_count);

    BareMachine m(GeometryId::kX86_64, {{0}, 512 * kMiB});
    poke(m, kDestination, segment.data(), segment.size());
    give(m,
         Handover{
             next.kho_fdt, next.kho_scratch, {{{0x1e000000}, 16 * kMiB}, {{0x10000000}, kMiB}, {{0x11000000}, kMiB}}});
    Kernel& k = m.kernel();
    k.boot.argument = kDestination;
    REQUIRE(m.run([&] { boot::setup_x86_64(k); }).kind == sim::Fault::Kind::kNone);
    CHECK(k.command_line() == next.command_line);
    CHECK(k.boot.initrd == next.initrd);
    CHECK(k.boot.from_kexec == 1);
    CHECK(k.boot.acpi_rsdp == 0xf59d0);
    CHECK(k.kho.is_kho_boot == 1);
    CHECK(k.kho.incoming.fdt == next.kho_fdt);
    CHECK(k.kho.incoming.fdt_size == next.kho_fdt_size);
    CHECK(k.kho.incoming.scratch == next.kho_scratch);
    REQUIRE(k.boot.memory_map_count == map.size());
    for (u64 i = 0; i < map.size(); ++i) {
        CHECK(k.boot.memory_map[i].start == map[i].start);
        CHECK(k.boot.memory_map[i].size == map[i].size);
        CHECK(k.boot.memory_map[i].type == map[i].type);
    }
}

TEST_CASE("boot params: two writes draw different seeds") {
    Writer w;
    const auto a = w.write(captured_boot());
    const auto b = w.write(captured_boot());
    CHECK(a != b);
    CHECK(std::equal(a.begin(), a.end() - boot::kRngSeedBytes, b.begin()));
}
