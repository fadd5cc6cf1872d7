// SPDX-License-Identifier: GPL-2.0-only
// Reading a capture: what real ones say, and what is said about bad ones.
#include "sim/capture/capture.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sim/input_error.hpp"
#include "tests/catch.hpp"

namespace baton::test {
namespace {

namespace fs = std::filesystem;
using sim::Capture;
using sim::InputError;

const fs::path kCaptures = fs::path(BATON_SOURCE_DIR) / "tests/data/linux-kho";

/// A manifest with one key replaced, or left out.
std::string manifest(std::string_view key = {}, std::string_view value = {}) {
    const std::pair<std::string_view, std::string_view> defaults[] = {
        {"arch", R"("x86_64")"},  {"kho_fdt", R"("0x3000")"},
        {"kho_fdt_size", "4096"}, {"scratch", R"("0x5000")"},
        {"scratch_len", "48"},    {"segments", R"([{"phys":"0x3000","size":16,"file":"a"}])"}};
    std::string text = "{\n";
    bool known = false;
    for (const auto& [k, v] : defaults) {
        known = known || k == key;
        if (k == key && value.empty()) continue;
        text += fmt::format(" \"{}\": {},\n", k, k == key ? value : v);
    }
    if (!known && !key.empty()) text += fmt::format(" \"{}\": {},\n", key, value);
    return text + " \"end\": 0\n}\n";
}

/// file:line:col: message (hint) of the error that a manifest must give.
std::string error_of(const std::string& text) {
    try {
        sim::parse_manifest(text, "m");
    } catch (const InputError& e) {
        return fmt::format("{}:{}:{}: {} ({})", e.file, e.line, e.col, e.what(), e.hint);
    }
    return "no error";
}

class Folder {
public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "baton-capture-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }
    const fs::path& path() const { return path_; }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(path_ / name, std::ios::binary) << text;
    }
    std::string error() const {
        try {
            sim::read_capture(path_);
        } catch (const InputError& e) {
            return std::string(e.what());
        }
        return "no error";
    }

private:
    fs::path path_;
};

}  // namespace

TEST_CASE("capture: the manifests of real handovers, whatever their folder is called") {
    for (const char* name : {"x86_64-6.16", "aarch64-6.16", "x86_64-6.18-test_kho", "aarch64-v2-radix"}) {
        CAPTURE(name);
        const Folder copy;
        fs::copy(kCaptures / name, copy.path() / "renamed", fs::copy_options::recursive);
        const Capture c = sim::read_capture(copy.path() / "renamed");
        const bool x86 = std::string_view(name).starts_with("x86");
        CHECK(c.name == name);
        CHECK(c.isa == (x86 ? Isa::kX86_64 : Isa::kAArch64));
        CHECK(c.page_shift() == 12);
        CHECK(c.scratch_bytes == 48);
        CHECK(c.ram_bytes == 512 * kMiB);
        CHECK(c.ram().size() == (x86 ? 2 : 1));
        CHECK(c.patterned.size() == 2);
        REQUIRE(c.expect.has_value());
        CHECK(c.expect->preserved.size() >= 5);
        REQUIRE(c.entry.has_value());
        CHECK(c.entry->value == (x86 ? 0x1e200200 : 0x5e400000));
        CHECK(c.argument->value == (x86 ? 0x1eff9000 : 0x5f200000));
        bool fdt_there = false;
        for (const sim::CaptureSegment& s : c.segments) fdt_there = fdt_there || s.range.start == c.fdt;
        CHECK(fdt_there);
    }
}

TEST_CASE("capture: what may be missing, and both ways to write a number") {
    const Capture c = sim::parse_manifest(
        manifest("segments", R"([{"phys":16384,"size":"0x10","file":"b"},{"phys":"12288","size":16,"file":"a"}])"),
        "m");
    CHECK(c.generation.empty());
    CHECK(c.ram().empty());
    REQUIRE(c.segments.size() == 2);
    CHECK(c.segments[0].range == PhysRange{{0x3000}, 16});
    CHECK(c.segments[1].range == PhysRange{{0x4000}, 16});
    CHECK(sim::parse_manifest(manifest("kho_fdt_size"), "m").fdt_size == 4096);
    CHECK(sim::parse_manifest(manifest("mem_mb", "64"), "m").ram().size() == 1);
}

TEST_CASE("capture: a pattern word depends on its address alone") {
    u64 x = (u64{0x1f200000} ^ 0x4b484f4f5241434c) * 0x9E3779B97F4A7C15;
    CHECK(sim::pattern_word({0x1f200000}) == (x ^ x >> 29));
    CHECK(sim::pattern_word({0x1f200000}) != sim::pattern_word({0x1f200008}));
}

TEST_CASE("capture: a bad manifest is told by line and column") {
    CHECK(error_of("").starts_with("m:1:1: is not JSON: syntax error while parsing value - unexpected end of input"));
    CHECK(error_of("[1]") == "m:1:1: the manifest is an array (an object)");
    CHECK(error_of("{\"arch\": \"x86_64\",\n  oops}").starts_with("m:2:3: is not JSON"));
    CHECK(error_of(manifest("arch")).starts_with("m:1:1: \"arch\" is missing"));
    CHECK(error_of(manifest("arch", "\"mips\"")) == "m:2:10: \"arch\" is unknown (\"x86_64\" or \"aarch64\")");
    CHECK(error_of(manifest("arch", "7")).starts_with("m:2:10: \"arch\" is unknown"));
    CHECK(error_of(manifest("kho_fdt")).find("\"kho_fdt\" is missing") != std::string::npos);
    CHECK(error_of(manifest("kho_fdt", "\"0xzz\"")).starts_with("m:3:13: \"kho_fdt\" is no number"));
    CHECK(error_of(manifest("kho_fdt", "-1")).starts_with("m:3:13: \"kho_fdt\" is no number"));
    CHECK(error_of(manifest("kho_fdt", "1.5")).starts_with("m:3:13: \"kho_fdt\" is no number"));
    CHECK(error_of(manifest("kho_fdt", "\"0x10000000000000000\"")).starts_with("m:3:13: \"kho_fdt\" is no number"));
    CHECK(error_of(manifest("kho_fdt", "\"0xffffffffffffffff\"")).find("at most") != std::string::npos);
    CHECK(error_of(manifest("kho_fdt_size", "8192")).starts_with("m:4:18: \"kho_fdt_size\" is 8192"));
    CHECK(error_of(manifest("kho_fdt_size", "65536")).find("on x86_64") != std::string::npos);
    CHECK(error_of(manifest("scratch_len", "\"0xffffffff\"")).find("at most 0x100000") != std::string::npos);
    CHECK(error_of(manifest("segments", "{}")).starts_with("m:7:14: \"segments\" is an object (an array)"));
    CHECK(error_of(manifest("segments", "[]")).find("there are no segments") != std::string::npos);
    CHECK(error_of(manifest("segments", R"([{"phys":0,"size":0,"file":"a"}])")).find("is 0") != std::string::npos);
    CHECK(error_of(manifest("segments", R"([{"phys":0,"size":4096}])")).find("\"file\" is missing") !=
          std::string::npos);
    CHECK(error_of(manifest("segments", R"([{"phys":"0xffffffffff000","size":8192,"file":"a"}])")).find("ends above") !=
          std::string::npos);
    CHECK(
        error_of(manifest("segments", R"([{"phys":4096,"size":4096,"file":"a"},{"phys":8191,"size":1,"file":"b"}])")) ==
        "m:7:52: the segment at 0x1fff overlaps the segment at 0x1000 (each byte of memory once)");
    CHECK(error_of(manifest("patterned", R"([["0x3000", 8]])")).find("overlaps") != std::string::npos);
    CHECK(error_of(manifest("patterned", R"([["0x4004", 8]])")).find("whole words") != std::string::npos);
    CHECK(error_of(manifest("patterned", R"([[1, 2, 3]])")).find("another shape") != std::string::npos);
    CHECK(error_of(manifest("memory_map", R"([[0, 8, "ram"], [4, 8, "ram"]])")).find("overlaps") != std::string::npos);
    CHECK(error_of(manifest("memory_map", R"([[0, 8, "ram", 64]])")).find("the node of an entry") != std::string::npos);
    CHECK(error_of(manifest("memory_map", R"([[0, 8, "ram", 1, 2]])")).find("another shape") != std::string::npos);
    CHECK(error_of(manifest("boot", R"({"initrd": 7})")).find("\"initrd\" is a number") != std::string::npos);
    CHECK(error_of(manifest("expect", R"({"preserved": [[0, 99]]})")).find("the order is 0x63") != std::string::npos);
    CHECK(error_of(manifest("name", "\"a\", \"name\": \"b\"")).find("\"name\" is there twice") != std::string::npos);
    CHECK(error_of(std::string(100000, '[')).find("nested too deeply") != std::string::npos);
    for (const char* path : {"../x", "/etc/passwd", "a/../../x", ""})
        CHECK(error_of(manifest("segments", fmt::format(R"([{{"phys":0,"size":1,"file":"{}"}}])", path)))
                  .find("is not inside the capture") != std::string::npos);
}

TEST_CASE("capture: missing, short and foreign files") {
    const Folder f;
    CHECK(f.error() == "has no manifest.json");
    f.write(sim::kManifestName, manifest());
    CHECK(f.error().starts_with("\"a\" cannot be read"));
    f.write("a", "short");
    CHECK(f.error() == "has 5 bytes, the manifest says 16");
    f.write("a", "sixteen bytes ok");
    CHECK(f.error() == "no error");
    f.write("entry_regs.hex", "zz");
    CHECK(f.error() == "is no register dump");
    fs::remove(f.path() / "entry_regs.hex");
    fs::remove(f.path() / "a");
    fs::create_symlink("/etc/hostname", f.path() / "a");
    CHECK(f.error() == "\"a\" is a link out of the capture");
    fs::remove(f.path() / "a");
    fs::create_directory(f.path() / "a");
    CHECK(f.error() == "\"a\" is not a file");
    // A hole is a file like any other.
    fs::remove(f.path() / "a");
    f.write("a", "");
    fs::resize_file(f.path() / "a", 1 * kGiB);
    f.write(sim::kManifestName, manifest("segments", R"([{"phys":"0x3000","size":"0x40000000","file":"a"}])"));
    CHECK(f.error() == "no error");
}

}  // namespace baton::test
