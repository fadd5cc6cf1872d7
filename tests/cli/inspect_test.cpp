// SPDX-License-Identifier: GPL-2.0-only
// `baton inspect` and `baton diff` as a person runs them.
#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "sim/capture/capture.hpp"
#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"
#include "tests/support/captures.hpp"
#include "tests/support/made_handover.hpp"

namespace baton::tests {
namespace {

using nlohmann::json;

const std::string kData = BATON_SOURCE_DIR "/tests/data/linux-kho/";

u64 number(const json& v) { return v.is_string() ? std::stoull(v.get<std::string>(), nullptr, 0) : v.get<u64>(); }

json inspected(const std::string& arguments, int exit = 0) {
    const Said said = run_baton("inspect --json " + arguments);
    CAPTURE(arguments);
    CAPTURE(said.out);
    CAPTURE(said.err);
    REQUIRE(said.exit == exit);
    return json::parse(said.out);
}

/// A capture's segments in a sparse file that begins at `base`.
void dump(const std::string& folder, const std::string& file, u64 base, u64 size) {
    const sim::Capture c = sim::read_capture(folder);
    std::ofstream(file).close();
    std::filesystem::resize_file(file, size);
    std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
    for (const sim::CaptureSegment& s : c.segments) {
        std::ifstream in(s.path, std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        out.seekp(static_cast<std::streamoff>(s.range.start.value - base));
        out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
}

struct Load {
    u64 paddr;
    std::string bytes;
};

std::string elf(u16 machine, std::vector<Load> loads, bool many = false) {
    Elf64_Ehdr h{};
    std::memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS64;
    h.e_ident[EI_DATA] = ELFDATA2LSB;
    h.e_type = ET_CORE;
    h.e_machine = machine;
    h.e_phoff = sizeof(h) + sizeof(Elf64_Shdr);
    h.e_shoff = sizeof(h);
    h.e_phentsize = sizeof(Elf64_Phdr);
    h.e_phnum = many ? PN_XNUM : static_cast<u16>(loads.size());
    Elf64_Shdr section{};
    section.sh_info = static_cast<u32>(loads.size());
    std::string out(reinterpret_cast<char*>(&h), sizeof(h));
    out.append(reinterpret_cast<char*>(&section), sizeof(section));
    u64 offset = h.e_phoff + loads.size() * sizeof(Elf64_Phdr);
    for (const Load& l : loads) {
        Elf64_Phdr p{};
        p.p_type = PT_LOAD;
        p.p_offset = offset;
        p.p_paddr = l.paddr;
        p.p_filesz = p.p_memsz = l.bytes.size();
        out.append(reinterpret_cast<char*>(&p), sizeof(p));
        offset += l.bytes.size();
    }
    for (const Load& l : loads) out += l.bytes;
    return out;
}

std::vector<Load> loads_of(const std::string& folder) {
    std::vector<Load> out;
    const sim::Capture c = sim::read_capture(folder);
    for (auto s = c.segments.rbegin(); s != c.segments.rend(); ++s) {  // not sorted
        std::ifstream in(s->path, std::ios::binary);
        out.push_back({s->range.start.value, {std::istreambuf_iterator<char>(in), {}}});
    }
    return out;
}

}  // namespace

TEST_CASE("inspect: JSON of a real capture is what its manifest expects") {
    for (const char* name : test::kCaptureNames) {
        const json out = inspected(kData + name);
        std::ifstream in(kData + name + "/manifest.json");
        const json manifest = json::parse(in);
        CHECK(out["generation"] == manifest["generation"]);
        CHECK(out["preserved"] == manifest["expect"]["preserved"]);
        CHECK(out["warnings"].empty());
        CHECK(out["scratch"].size() == 3);
        REQUIRE(out["subtrees"].size() == manifest["expect"]["sub_fdts"].size());
        for (const json& subtree : manifest["expect"]["sub_fdts"])
            CHECK(out["subtrees"].contains(subtree.get<std::string>()));
        REQUIRE(out["reserve_mem"].size() == 2);
        CHECK(out["reserve_mem"][0][0] == "data");
        CHECK(number(out["reserve_mem"][0][2]) == 2 * kMiB);
        std::vector<std::string> keys;
        const auto ordered = nlohmann::ordered_json::parse(run_baton("inspect --json " + kData + name).out);
        for (const auto& [key, value] : ordered.items()) keys.push_back(key);
        CHECK(std::vector(keys.begin(), keys.begin() + 6) ==
              std::vector<std::string>{"generation", "preserved", "scratch", "subtrees", "reserve_mem", "warnings"});
    }
}

TEST_CASE("inspect: text, and a picture that is well-formed XML") {
    const TemporaryFolder folder;
    const Said said = run_baton(fmt::format("inspect {}x86_64-6.16 --svg {}", kData, folder.path("map.svg")));
    CHECK(said.exit == 0);
    CHECK(said.out.find("  order 9        1 x 2 MiB       2 MiB  0x1f200000..0x1f3fffff\n") != std::string::npos);
    CHECK(said.out.ends_with("warnings     none\n"));
    CHECK(run_baton(fmt::format("inspect -v {}x86_64-6.16", kData)).out.size() > said.out.size());
    const std::string command = "python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' ";
    CHECK(std::system((command + folder.path("map.svg")).c_str()) == 0);
    const Said unwritable = run_baton(fmt::format("inspect {}x86_64-6.16 --svg /nowhere/map.svg", kData));
    CHECK(unwritable.exit == 3);
    CHECK(unwritable.err.find("/nowhere/map.svg") != std::string::npos);
}

TEST_CASE("inspect: a raw dump, in one piece and in two, found or given") {
    const TemporaryFolder folder;
    for (const char* name : test::kCaptureNames) {
        CAPTURE(name);
        const bool x86 = std::string_view(name).starts_with("x86");
        const u64 base = x86 ? 0 : 0x40000000;
        const std::string file = folder.path(std::string(name) + ".raw");
        dump(kData + name, file, base, 512 * kMiB);
        const json whole = inspected(kData + name);
        const std::string raw = fmt::format("--raw {}@{:#x}", file, base);
        // x86: the setup_data node names both; AArch64: the device tree is not in the dump, so there is no scratch.
        const json found = inspected(raw);
        CHECK(found["preserved"] == whole["preserved"]);
        CHECK(found["subtrees"] == whole["subtrees"]);
        CHECK(found["reserve_mem"] == whole["reserve_mem"]);
        CHECK(found["generation"] == whole["generation"]);
        CHECK(found["scratch"].size() == (x86 ? 3 : 0));
        const json given =
            inspected(fmt::format("{} --fdt {} --scratch {},48", raw, whole["boot"]["fdt"].get<std::string>(),
                                  whole["boot"]["scratch"].get<std::string>()));
        CHECK(given["preserved"] == whole["preserved"]);
        CHECK(given["scratch"] == whole["scratch"]);
        // Cut at 64 MiB; the rest begins where it begins.
        const std::string cut =
            fmt::format("cd {0} && head -c 67108864 {1} > low && tail -c +67108865 {1} > high", folder.path(), file);
        REQUIRE(std::system(cut.c_str()) == 0);
        const json two = inspected(fmt::format("--raw {}@{:#x} --raw {}@{:#x}", folder.path("high"), base + 64 * kMiB,
                                               folder.path("low"), base));
        CHECK(two["preserved"] == whole["preserved"]);
    }
}

TEST_CASE("inspect: ELF dumps, unsorted, with any number of headers, and cut off") {
    const TemporaryFolder folder;
    for (const char* name : test::kCaptureNames) {
        CAPTURE(name);
        const u16 machine = std::string_view(name).starts_with("x86") ? EM_X86_64 : EM_AARCH64;
        const json whole = inspected(kData + name);
        for (bool many : {false, true}) {
            const json out = inspected(folder.write("dump", elf(machine, loads_of(kData + name), many)));
            CHECK(out["preserved"] == whole["preserved"]);
            CHECK(out["arch"] == whole["arch"]);
        }
    }
    std::string cut = elf(EM_X86_64, loads_of(kData + "x86_64-6.16"));
    cut.resize(cut.size() - 100);
    const json out = inspected(folder.write("cut", cut), 1);
    bool told = false;
    for (const json& w : out["warnings"]) told = told || w["id"] == "source-truncated";
    CHECK(told);
}

TEST_CASE("inspect: a machine that was saved") {
    const TemporaryFolder folder;
    for (const char* arch : {"x86_64", "aarch64"}) {
        const std::string scenario = folder.write("s.toml", fmt::format(R"(title = "saved"
machine = {{ arch = ["{}"], ram = "256M" }}
[kernel.a]
cmdline = "kho=on kho_scratch=16M,64M,16M reserve_mem=4M:4M:oops"
[[step]]
do = "boot"
kernel = "a"
[[step]]
do = "finalise"
[[step]]
do = "save"
file = "{}"
)",
                                                                        arch, folder.path("m.sav")));
        const Said ran = run_baton("run " + scenario);
        CAPTURE(ran.err + ran.out);
        REQUIRE(ran.exit == 0);
        const json out = inspected(folder.path("m.sav"));
        CHECK(out["arch"] == arch);
        CHECK(out["generation"] == "6.18");
        CHECK(out["preserved"].size() == 3);
        CHECK(out["reserve_mem"][0][0] == "oops");
        CHECK(out["warnings"].empty());
    }
}

TEST_CASE("inspect: 64 GiB of holes in under 2 s of CPU time and 200 MiB of address space") {
    const TemporaryFolder folder;
    test::MadeSpec spec;
    spec.metadata = {60 * kGiB};
    spec.scratch = {{{50 * kGiB}, 32 * kMiB}, {{51 * kGiB}, 32 * kMiB}};
    spec.scratch_array = {50 * kGiB};
    for (u64 i = 0; i < 100; ++i) spec.blocks.push_back({{i * 512 * kMiB}, {9}});
    const test::MadeHandover made(spec);
    const std::string file = folder.path("big");
    std::ofstream(file).close();
    std::filesystem::resize_file(file, 64 * kGiB);
    std::fstream out(file, std::ios::binary | std::ios::in | std::ios::out);
    for (const auto& [frame, bytes] : made.frames) {
        out.seekp(static_cast<std::streamoff>(frame * 4096));
        out.write(reinterpret_cast<const char*>(bytes.data()), 4096);
    }
    out.close();
#if defined(__SANITIZE_ADDRESS__)
    const std::string limits = "ulimit -t 60";
#else
    const std::string limits = "ulimit -t 2; ulimit -v 204800";
#endif
    const std::string command =
        fmt::format("{}; '{}' inspect --json --raw {}@0 >{}", limits, BATON_BINARY, file, folder.path("out"));
    const int status = std::system(command.c_str());
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    const json found = json::parse(folder.read("out"));
    CHECK(found["preserved"].size() == 101);
    CHECK(found["boot"]["fdt"] == fmt::format("{:#x}", made.root().value));
}

TEST_CASE("inspect: bad input is told and exits with 3") {
    const TemporaryFolder folder;
    const auto said = [](const std::string& arguments) {
        const Said s = run_baton("inspect " + arguments);
        CHECK(s.exit == 3);
        CHECK(s.out.empty());
        return s.err;
    };
    const auto has = [](const std::string& text, const char* part) {
        CAPTURE(text);
        return text.find(part) != std::string::npos;
    };
    const std::string x86 = kData + "x86_64-6.16";
    CHECK(has(said("/nowhere"), "/nowhere: does not exist"));
    CHECK(has(said(folder.path()), "has no manifest.json"));
    CHECK(has(said(""), "there is nothing to inspect"));
    CHECK(has(said(folder.write("text", "hello")), "text@0x…"));
    CHECK(has(said(folder.write("empty", "") + "@0"), "is empty"));
    CHECK(has(said(folder.write("kd", "KDUMP   x")), "makedumpfile -E"));
    CHECK(has(said("--raw " + folder.path("text")), "is no FILE@BASE"));
    CHECK(has(said("--raw " + folder.path() + "@0"), "is a folder"));
    CHECK(has(said(fmt::format("--raw {0}@0 --raw {0}@0", folder.path("text"))), "overlap"));
    CHECK(has(said(fmt::format("--raw {0}@0x1001", folder.path("text"))), "does not begin a page"));
    CHECK(has(said(fmt::format("--raw {0}@0xfffffffffffff000", folder.path("text"))), "above physical memory"));
    CHECK(has(said(fmt::format("--raw {0}@0x1000", folder.path("text"))), "holds no KHO handover"));
    CHECK(has(said(x86 + " --raw " + folder.path("text") + "@0"), "is given beside --raw"));
    CHECK(has(said(x86 + " --fdt 0x1234"), "--fdt 0x1234: no memory at 0x1234"));
    CHECK(has(said(x86 + " --fdt 0xffffffffffffffff"), "is no physical address"));
    CHECK(has(said(x86 + " --fdt twelve"), "--fdt"));
    CHECK(has(said(x86 + " --scratch 0x1000"), "has no length"));
    CHECK(has(said(x86 + " --scratch 0x1000,2G"), "is no physical address or size"));
    CHECK(has(said(x86 + " --generation 6.15"), "did you mean \"6.16\"?"));
    CHECK(has(said(x86 + " --page-size 8K"), "is no page size"));
    CHECK(has(said(folder.write("e1",
                                "\x7f"
                                "ELF")),
              "ends inside the ELF header"));
    CHECK(has(said(folder.write("e2", elf(EM_PPC64, loads_of(x86)))), "is of machine 21"));
    CHECK(has(said(folder.write("e3", elf(EM_X86_64, {}))), "has 0 program headers"));
    CHECK(has(said(folder.write("e4", elf(EM_X86_64, {{~u64{0}, "x"}}))), "at physical 0xffffffffffffffff"));
    CHECK(has(said(folder.write("e5", elf(EM_X86_64, loads_of(x86)).substr(0, 200))), "ends inside its"));
    CHECK(has(said(folder.write("s", "BATONSAVx")), "s'"));
    const Said object = run_baton("inspect --json /nowhere");
    CHECK(object.exit == 3);
    CHECK(json::parse(object.out)["error"]["message"].get<std::string>().find("does not exist") == 0);
    folder.write("manifest.json", "{\n \"arch\": 5\n}");
    CHECK(has(said(folder.path()), "manifest.json:2:10: \"arch\" is unknown"));
    CHECK(has(said(folder.path("manifest.json")), "manifest.json:2:10: \"arch\" is unknown"));
}

TEST_CASE("inspect: damage is an exit code") {
    const TemporaryFolder folder;
    std::filesystem::copy(kData + "x86_64-6.16", folder.path("c"), std::filesystem::copy_options::recursive);
    std::string chunk = folder.read("c/chunk0_order0_0x15d000.bin");
    chunk[12] = 1;
    folder.write("c/chunk0_order0_0x15d000.bin", chunk);
    const json out = inspected(folder.path("c"), 1);
    bool told = false;
    for (const json& w : out["warnings"]) told = told || (w["id"] == "chunk-junk" && w["severity"] == "error");
    CHECK(told);
    std::string root = folder.read("c/root_fdt_0x396000.bin");
    root[0] = 0;
    folder.write("c/root_fdt_0x396000.bin", root);
    const json broken = inspected(folder.path("c"), 1);
    CHECK(broken["preserved"].empty());
    CHECK(broken["scratch"].size() == 3);
}

}  // namespace baton::tests
