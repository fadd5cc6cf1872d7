// SPDX-License-Identifier: GPL-2.0-only
// Maps that are text: /proc/iomem, e820 listings, manifests; and what is said of those that make no sense.
#include <algorithm>

#include "sim/map_file/map_file.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;
using Catch::Contains;

namespace {

constexpr u32 kRam = static_cast<u32>(MemoryType::kRam);
constexpr u32 kReserved = static_cast<u32>(MemoryType::kReserved);

FirmwareMap parse(std::string_view text) {
    return parse_map({reinterpret_cast<const u8*>(text.data()), text.size()}, "map");
}

std::string said(const InputError& e) {
    std::string out = e.file;
    if (e.line != 0) out += ":" + std::to_string(e.line) + ":" + std::to_string(e.col);
    out += ": " + std::string(e.what());
    return e.hint.empty() ? out : out + " (" + e.hint + ")";
}

std::string refusal(std::string_view text) {
    try {
        parse(text);
    } catch (const InputError& e) {
        return said(e);
    }
    return "accepted";
}

std::string path(const std::string& name) { return BATON_SOURCE_DIR "/tests/data/linux-kho/" + name; }

std::vector<PhysRange> ram_of(const FirmwareMap& map) {
    std::vector<PhysRange> out;
    for (const MemoryMapEntry& e : map.entries)
        if (e.type == kRam) out.push_back({e.start, e.size});
    return out;
}

// What QEMU's firmware tells a 512 MiB machine.
const std::vector<MemoryMapEntry> kQemu = {
    {{0}, 0x9fc00, kRam, 0},
    {{0x9fc00}, 0x400, kReserved, 0},
    {{0xf0000}, 0x10000, kReserved, 0},
    {{0x100000}, 0x1fee0000, kRam, 0},
    {{0x1ffe0000}, 0x20000, kReserved, 0},
    {{0xfffc0000}, 0x40000, kReserved, 0},
    {{0xfd00000000}, 0x300000000, kReserved, 0},
};

TEST_CASE("iomem: only the top level is the machine's, and pieces that touch are one") {
    const FirmwareMap map = parse(
        "00000000-00000fff : Reserved\n"
        "00001000-0009fbff : System RAM\n"
        "000f0000-000fffff : Reserved\n"
        "  000f0000-000fffff : System ROM\n"
        "00100000-1effa0af : System RAM\n"
        "  1e200000-1e7fffff : Kernel code\n"
        "1effa0b0-1effa0df : System RAM\n"
        "1effa0e0-1ffdffff : System RAM\n"
        "c0000000-febfffff : PCI Bus 0000:00\n"
        "fed00000-fed003ff : HPET 0\n"
        "100000000-17fffffff : System RAM\n"
        "  140000000-14fffffff : Reserved\n");
    CHECK(!map.isa);
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0}, 0x1000, kReserved, 0},
                                                     {{0x1000}, 0x9ec00, kRam, 0},
                                                     {{0xf0000}, 0x10000, kReserved, 0},
                                                     {{0x100000}, 0x1fee0000, kRam, 0},
                                                     {{0x100000000}, 0x80000000, kRam, 0}});
}

TEST_CASE("iomem: the captured kernels' copies, of both ISAs and of both kernels of a kexec, give one machine each") {
    for (const char* capture : {"x86_64-6.16", "x86_64-6.18-test_kho"})
        for (const char* kernel : {"/k1/iomem.txt", "/k2/iomem.txt"}) {
            const FirmwareMap map = read_map_file(path(std::string(capture) + kernel));
            CHECK(ram_of(map) == std::vector<PhysRange>{{{0x1000}, 0x9ec00}, {{0x100000}, 0x1fee0000}});
        }
    for (const char* capture : {"aarch64-6.16", "aarch64-v2-radix"})
        for (const char* kernel : {"/k1/iomem.txt", "/k2/iomem.txt"})
            CHECK(ram_of(read_map_file(path(std::string(capture) + kernel))) ==
                  std::vector<PhysRange>{{{0x40000000}, 0x20000000}});
}

TEST_CASE("iomem: AArch64's top-level reservations are no RAM, nested ones are the kernel's own") {
    const FirmwareMap map = parse(
        "80000000-83ffffff : System RAM\n"
        "  80200000-8054ffff : Kernel code\n"
        "  82000000-82ffffff : reserved\n"
        "84000000-840fffff : reserved\n"
        "84100000-bfffffff : System RAM\n");
    CHECK(ram_of(map) == std::vector<PhysRange>{{{0x80000000}, 0x4000000}, {{0x84100000}, 0x3bf00000}});
}

TEST_CASE("e820: the lines of a dmesg, whatever stands around them") {
    const FirmwareMap map = read_map_file(path("x86_64-6.16/k2/dmesg.txt"));
    CHECK(map.isa == Isa::kX86_64);
    CHECK(map.entries == kQemu);
    const FirmwareMap spaced =
        parse("BIOS-e820: [mem 0x0 - 0x9fbff] usable\n[ 1.0] BIOS-e820: [mem 0x100000 - 0x1fffff] ACPI NVS");
    CHECK(spaced.entries == std::vector<MemoryMapEntry>{{{0}, 0x9fc00, kRam, 0}, {{0x100000}, 0x100000, 4, 0}});
}

TEST_CASE("e820: of a log of several boots the last counts") {
    const FirmwareMap map = parse(
        "BIOS-provided physical RAM map:\nBIOS-e820: [mem 0x0-0xfff] usable\n"
        "BIOS-provided physical RAM map:\nBIOS-e820: [mem 0x0-0x1fff] usable\n");
    CHECK(map.entries == std::vector<MemoryMapEntry>{{{0}, 0x2000, kRam, 0}});
}

TEST_CASE("e820: plain tables, with a size or an inclusive end") {
    const std::vector<MemoryMapEntry> wanted{{{0}, 0x9fc00, kRam, 0}, {{0x9fc00}, 0x400, kReserved, 0}};
    CHECK(parse("# a comment\n\n0x0 0x9fc00 ram\n0x9fc00 0x400 reserved # why\n").entries == wanted);
    CHECK(parse("0x0-0x9fbff usable\n0x9fc00 - 0x9ffff reserved").entries == wanted);
    CHECK(parse("[mem 0x0-0x9fbff] usable\n[mem 0x9fc00-0x9ffff] type 2").entries == wanted);
    CHECK(parse("0x9fc00 0x400 2\n0x0 0x9fc00 1").entries == wanted);
    CHECK(parse("0x0 0x1000 ram\n0x1000 0x1000 type 20\n").entries[1].type == 20);
}

TEST_CASE("manifests: the capture's folder or its manifest") {
    CHECK(read_map_file(path("x86_64-6.16")).entries == kQemu);
    CHECK(read_map_file(path("aarch64-6.16")).device_tree.size() > 4096);
    const FirmwareMap arm = read_map_file(path("aarch64-6.16/manifest.json"));
    CHECK(arm.device_tree.empty());
    CHECK(arm.isa == Isa::kAArch64);
    CHECK(ram_of(arm) == std::vector<PhysRange>{{{0x40000000}, 0x20000000}});
}

TEST_CASE("a machine cuts a map as its kernels do: frames with a byte of RAM exist, entries keep their bytes") {
    const MachineMap map(Isa::kX86_64, read_map_file(path("x86_64-6.16")));
    CHECK(map.ram == std::vector<PhysRange>{{{0}, 0xa0000}, {{0x100000}, 0x1fee0000}});
    CHECK(map.entries == kQemu);
    CHECK(map.ram_bytes == 0xa0000 + 0x1fee0000);
    CHECK_THROWS_WITH(MachineMap(Isa::kAArch64, read_map_file(path("x86_64-6.16"))), Contains("map of an x86_64"));
}

TEST_CASE("maps that no firmware gives are refused with the place, and with what would be right") {
    CHECK(refusal("0x0 0x2000 ram\n0x1000 0x1000 reserved\n") ==
          "map:2:1: [0x1000-0x1fff] reserved overlaps [0x0-0x1fff] ram of line 1 (each byte belongs to one entry)");
    CHECK(refusal("0x1000 0x1000 ram\n0x0 0x4000 ram\n").starts_with("map:2:1: [0x1000-0x1fff] ram overlaps"));
    CHECK(refusal("0x0 0x0 ram\n") == "map:1:1: the entry at 0x0 is empty");
    CHECK(refusal("0xfffffffffffff000 0x2000 ram") ==
          "map:1:1: 0x2000 bytes from 0xfffffffffffff000 wrap around (an entry ends above its start)");
    CHECK(refusal("0x10000000000000 0x1000 ram") ==
          "map:1:1: the entry at 0x10000000000000 ends above 52 bits (no CPU addresses that)");
    CHECK(refusal("0x0 0x1000 reserved\n") == "map: there is no RAM in this map");
    CHECK(refusal("") == "map: is empty");
    CHECK(refusal("  \n\n") == "map: is empty");
    CHECK(refusal("0x0 0x1000 rum\n").starts_with("map:1:12: \"rum\" is no type of memory (usable, "));
    CHECK(refusal("0x0 0x1000\n").starts_with("map:1:11: \"\" is no type of memory"));
    CHECK(refusal("hello\n").starts_with("map:1:1: there is no start address of 64 bits (START SIZE TYPE"));
    CHECK(refusal("0x1ffffffffffffffff 0x1000 ram\n").starts_with("map:1:1: there is no start address of 64 bits"));
    CHECK(refusal("[mem 0x0-0xfff usable\n").starts_with("map:1:16: there is no ']'"));
    CHECK(refusal("0x2000-0x1000 usable\n") == "map:1:14: ends at 0x1000, before its start");
    CHECK(refusal("<6>[ 0.0] BIOS-e820: [mem 0x0-zz] usable").starts_with("map:1:31: there is no end of 64 bits"));
    CHECK(refusal("00000000-00000fff : System RAM\nnonsense\n").starts_with("map:2:1: is no line of /proc/iomem"));
    CHECK(refusal("00001000-00000fff : System RAM\n") == "map:1:1: ends at 0xfff, before its start");
    CHECK(refusal("00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n") ==
          "map: the kernel hides every address of this copy (read /proc/iomem as root)");
    CHECK(refusal("{").starts_with("map:1:2: "));
    CHECK(refusal("{\"arch\": \"x86_64\"}") != "accepted");
    CHECK_THROWS_AS(read_map_file("/nowhere/map"), InputError);
    CHECK_THROWS_WITH(read_map_file("/nowhere/map"), "there is no such file");
    CHECK_THROWS_WITH(read_map_file("/dev/null"), "is not a regular file");
}

TEST_CASE("machines that no simulator has are refused with a sentence") {
    const auto machine = [](std::string_view text) { return MachineMap(Isa::kX86_64, parse(text)); };
    CHECK_THROWS_WITH(machine("0x0 0x200000001000 ram"), Contains("RAM at 0x0 ends above 32 TiB"));
    std::string scattered;
    for (u64 i = 0; i < 33; ++i) scattered += std::to_string(0) + "x" + std::to_string(i) + "0000000 0x100000 ram\n";
    CHECK_THROWS_WITH(machine(scattered), Contains("RAM in 33 runs; a machine has 32 at most"));
    std::string many;
    for (u64 i = 0; i < 129; ++i)
        many += "0x" + std::to_string(100 + i) + "000 0x800 " + (i % 2 == 0 ? "ram" : "3") + "\n";
    CHECK_THROWS_WITH(machine(many), Contains("a kernel is told of 128 at most"));
}

TEST_CASE("RAM in the port window is noticed, reservations and devices there are not") {
    const MachineMap good(Isa::kX86_64, parse("0x0 0x20000000 ram\n0xfd000000 0x3000000 reserved\n"));
    CHECK(!ram_in_port_window(good));
    const MachineMap bad(Isa::kX86_64, parse("0x0 0x20000000 ram\n0xfe000000 0x1000 ram\n"));
    CHECK(ram_in_port_window(bad) == PhysRange{{0xfe000000}, 0x1000});
    const MachineMap pi(Isa::kAArch64, parse("00000000-3b3fffff : System RAM\n"));
    CHECK(ram_in_port_window(pi));
}

}  // namespace
