// SPDX-License-Identifier: GPL-2.0-only
// What people get wrong, and what they are told: place, message and hint of every diagnostic of the language.
#include "scenarios/engine/parse.hpp"

#include <fmt/format.h>

#include "model/defects.hpp"

#include "scenarios/engine/limits.hpp"
#include "tests/catch.hpp"
#include "tests/support/parse_cases.hpp"

using namespace baton;
using namespace baton::scenarios;
using baton::test::Case;
using baton::test::check_cases;

namespace {

/// Three lines that are right, so that what follows begins at line 4.
constexpr std::string_view kHead =
    "title = \"t\"\n"
    "kernel.a = { cmdline = \"reserve_mem=4M:4M:oops\" }\n"
    "kernel.b = {}\n";

constexpr std::string_view kBoot = "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n";  // lines 4 to 6

/// A step that leaves what follows at the top level, on line 4 all the same.
constexpr std::string_view kInlineHead =
    "title = \"t\"\n"
    "kernel.a = {}\n"
    "step = [{ do = \"boot\", kernel = \"a\" }]\n";

constexpr Case kFileCases[] = {
    {"not TOML", "# nothing\ntitle = = 3\n", 2, 9, "", "not TOML"},
    {"a key twice", "title = \"t\"\ntitle = \"u\"\n", 2, 9, "", "not TOML"},
    {"unknown top-level key", "title = \"t\"\nkernels = 1\n", 1, 1, "no kernel", "[kernel.a]"},
    {"no title", "# only a comment\nbudget = 1\n", 1, 1, "needs \"title\"", "title ="},
    {"title is no string", "title = 3\n[kernel.a]\n[[step]]\ndo = \"boot\"\nkernel = \"a\"\n", 1, 9, "is an integer",
     "a string"},
    {"an empty title", "title = \"\"\n[kernel.a]\n[[step]]\ndo = \"boot\"\nkernel = \"a\"\n", 1, 9, "has 0 bytes",
     "one line"},
    {"a budget of nothing", "budget = 0\n", 4, 10, "\"budget\" is 0", "1 to"},
    {"a budget of no instructions", "budget_instructions = 0\n", 4, 23, "\"budget_instructions\" is 0", "1 to"},
    {"kernel is no table", "title = \"t\"\nkernel = 3\n[[step]]\ndo = \"boot\"\n", 2, 10, "is an integer",
     "[kernel.a]"},
    {"kernel without a name", "title = \"t\"\n[kernel]\ncmdline = \"x\"\n[[step]]\ndo = \"boot\"\n", 3, 1,
     "is a string", "a kernel has a name"},
    {"no step", "title = \"t\"\n[kernel.a]\n", 1, 1, "no step", "[[step]]"},
    {"step is one table", "title = \"t\"\n[kernel.a]\n[step]\ndo = \"boot\"\n", 3, 1, "is a table", "[[step]]"},
};

TEST_CASE("parse: what a whole file can have wrong") { check_cases(kFileCases, std::string(kInlineHead)); }

constexpr Case kMachineCases[] = {
    {"not a table", "machine = 3\n", 4, 11, "is an integer", "a table"},
    {"unknown key", "machine = { rma = \"1G\" }\n", 4, 13, "unknown key \"rma\" in machine", "did you mean \"ram\"?"},
    {"unknown architecture", "machine = { arch = \"x86-64\" }\n", 4, 20, "unknown architecture \"x86-64\"",
     "did you mean \"x86_64\"?"},
    {"one wrong of two", "machine = { arch = [\"x86_64\", \"riscv64\"] }\n", 4, 31, "unknown architecture", "one of"},
    {"unknown target", "machine = { target = \"gest\" }\n", 4, 22, "unknown target", "did you mean \"guest\"?"},
    {"size 0", "machine = { ram = 0 }\n", 4, 19, "\"ram\" is 0", "above 0"},
    {"size 0 as text", "machine = { ram = \"0M\" }\n", 4, 19, "\"ram\" is 0", "above 0"},
    {"negative", "machine = { ram = -5 }\n", 4, 19, "-5 is negative", ""},
    {"negative as text", "machine = { ram = \"-512M\" }\n", 4, 19, "\"-512M\" is negative", ""},
    {"2^64", "machine = { ram = \"18446744073709551616\" }\n", 4, 19, "does not fit 64 bits", "18446744073709551615"},
    {"2^64 by suffix", "machine = { ram = \"16777216T\" }\n", 4, 19, "does not fit 64 bits", ""},
    {"2^64 as integer", "machine = { ram = 18446744073709551616 }\n", 4, 39, "", "64 bits with sign"},
    {"nonsense suffix", "machine = { ram = \"512Q\" }\n", 4, 19, "unknown suffix \"Q\"", "\"512M\""},
    {"two suffixes", "machine = { ram = \"512MB\" }\n", 4, 19, "unknown suffix \"MB\"", "\"512M\""},
    {"no number", "machine = { ram = \"lots\" }\n", 4, 19, "\"lots\" is not a number", "\"512M\""},
    {"empty", "machine = { ram = \"\" }\n", 4, 19, "empty string", ""},
    {"a fraction", "machine = { ram = 1.5 }\n", 4, 19, "is a floating-point number", ""},
    {"too little for x86", "machine = { ram = \"32M\" }\n", 4, 19, "cannot have 32M", "x86_64 has 64M to 16T"},
    {"too little", "machine = { arch = \"aarch64\", ram = \"8M\" }\n", 4, 37, "cannot have 8M",
     "aarch64 has 16M to 16T"},
    {"too much", "machine = { ram = \"32T\" }\n", 4, 19, "cannot have 32T", "to 16T"},
    {"too much for a guest", "machine = { target = \"guest\", ram = \"65G\" }\n", 4, 37, "cannot have 65G", "to 64G"},
    {"odd", "machine = { ram = \"513M\" }\n", 4, 19, "no multiple of 2M", "512M is"},
    {"negative seed", "machine = { seed = -1 }\n", 4, 20, "-1 is negative", ""},
    {"fill is no byte", "machine = { fill = 256 }\n", 4, 20, "\"fill\" is 256", "0 to 255"},
    {"twice", "machine = { seed = [1, 2, 1] }\n", 4, 27, "twice", ""},
    {"empty array", "machine = { seed = [] }\n", 4, 20, "empty array", ""},
};

TEST_CASE("parse: impossible machines") { check_cases(kMachineCases, std::string(kInlineHead)); }

TEST_CASE("parse: a matrix of more than a thousand machines is refused") {
    std::string seeds;
    for (int i = 0; i < 251; ++i) seeds += fmt::format("{},", i);
    const Parsed parsed =
        parse_text(fmt::format("{}machine = {{ seed = [{}], fill = [0, 165] }}\n", kInlineHead, seeds), "f");
    REQUIRE(parsed.diagnostics.size() == 1);
    CHECK(parsed.diagnostics[0].message == "the matrix has 1004 machines");
}

constexpr Case kKernelCases[] = {
    {"unknown key", "[kernel.c]\ngenertion = \"6.18\"\n", 5, 1, "unknown key \"genertion\" in [kernel.c]",
     "did you mean \"generation\"?"},
    {"unknown generation", "[kernel.c]\ngeneration = \"6.81\"\n", 5, 14, "unknown generation \"6.81\"", "\"6.18\""},
    {"generation as number", "[kernel.c]\ngeneration = 6.18\n", 5, 14, "floating-point", "name of a generation"},
    {"unknown base", "[kernel.c]\nkexec_base = \"6.13\"\n", 5, 14, "unknown kexec base", "\"6.12\", \"6.14\""},
    {"alignment", "[kernel.c]\ncma_align = \"3M\"\n", 5, 13, "\"cma_align\" is 3M", "power of two"},
    {"alignment too small", "[kernel.c]\ncma_align = \"4K\"\n", 5, 13, "\"cma_align\" is 4K", "64K to 1G"},
    {"unknown option", "[kernel.c]\noptions = [\"kho_debg\"]\n", 5, 12, "unknown kernel option", "\"kho_debug\""},
    {"unknown defect", "[kernel.c]\ndefects = [\"+B15\", \"-B99\"]\n", 5, 20, "unknown defect \"B99\"", "--defects"},
    {"command line", "[kernel.c]\ncmdline = \"a\\nb\"\n", 5, 11, "not printable", ""},
    {"image", "[kernel.c]\nimage = \"no/such.img\"\n", 5, 9, "no image file", "relative to the scenario file"},
};

TEST_CASE("parse: what a kernel can have wrong") { check_cases(kKernelCases, std::string(kInlineHead)); }

TEST_CASE("parse: a command line has at most 2047 bytes") {
    const auto text = [](std::size_t n) {
        return fmt::format("title = \"t\"\n[kernel.a]\ncmdline = \"{}\"\n[[step]]\ndo = \"boot\"\nkernel = \"a\"\n",
                           std::string(n, 'x'));
    };
    CHECK(parse_text(text(2047), "f").scenario);
    const Parsed parsed = parse_text(text(2048), "f");
    REQUIRE(parsed.diagnostics.size() == 1);
    CHECK(to_text(parsed.diagnostics[0]) == "f:3:11: the command line has 2048 bytes (at most 2047)");
}

constexpr Case kStepCases[] = {
    {"no do", "[[step]]\nkernel = \"a\"\n", 7, 1, "step 2 needs \"do\"", "do = \"boot\""},
    {"unknown step", "[[step]]\ndo = \"boto\"\n", 8, 6, "unknown step \"boto\"", "did you mean \"boot\"?"},
    {"unknown key", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\norder = 1\nordre = 3\n", 11, 1,
     "unknown key \"ordre\" in step \"alloc\"", "did you mean \"order\"?"},
    {"key of other steps", "[[step]]\ndo = \"fill\"\nregion = \"oops\"\nexpect_error = \"EINVAL\"\n", 10, 1,
     "unknown key \"expect_error\" in step \"fill\"", "one of \"do\", \"region\""},
    {"key missing", "[[step]]\ndo = \"fill\"\n", 7, 1, "step \"fill\" needs \"region\"", ""},
    {"unknown kernel", "[[step]]\ndo = \"kexec_file_load\"\nkernel = \"c\"\n", 9, 10, "unknown kernel \"c\"",
     "one of \"a\", \"b\""},
    {"bad name", "[[step]]\ndo = \"alloc\"\nregion = \"a b\"\norder = 0\n", 9, 10, "\"a b\" is not a name", "letters"},
    {"neither shape", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\n", 7, 1, "needs one of \"order\", \"pages\"", ""},
    {"both shapes", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\norder = 1\npages = 3\n", 11, 9,
     "has \"order\", \"pages\"", "only one"},
    {"order", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\norder = 21\n", 10, 9, "\"order\" is 21", "0 to 20"},
    {"count", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\norder = 0\ncount = 1000001\n", 11, 9, "is 1000001",
     "1 to 1000000"},
    {"no count", "[[step]]\ndo = \"alloc\"\nregion = \"r\"\norder = 0\ncount = 0\n", 11, 9, "is 0", "1 to 1000000"},
    {"unknown errno", "[[step]]\ndo = \"finalise\"\nexpect_error = \"EADDRNOTAVIAL\"\n", 9, 16, "unknown errno",
     "did you mean \"EADDRNOTAVAIL\"?"},
    {"success is no error", "[[step]]\ndo = \"finalise\"\nexpect_error = \"OK\"\n", 9, 16, "unknown errno \"OK\"", ""},
    {"unknown verdict", "[[step]]\ndo = \"finalise\"\nexpect_verdict = \"panics\"\n", 9, 18, "unknown verdict",
     "did you mean \"panic\"?"},
    {"error and end", "[[step]]\ndo = \"finalise\"\nexpect_verdict = \"panic\"\nexpect_error = \"EIO\"\n", 10, 16,
     "returns no error", ""},
    {"panic and other end", "[[step]]\ndo = \"finalise\"\nexpect_verdict = \"hang\"\nexpect_panic = \"memory\"\n", 10,
     16, "cannot both", ""},
    {"unknown site", "[[step]]\ndo = \"finalise\"\nbreak = \"kho.finalize.begin\"\n", 9, 9, "unknown site",
     "did you mean \"kho.finalise.begin\"? `baton points`"},
    {"which time", "[[step]]\ndo = \"finalise\"\nbreak = \"kho.finalise.begin#0\"\n", 9, 9, "which time", "from 1"},
    {"break and expect", "[[step]]\ndo = \"finalise\"\nbreak = \"kho.finalise.begin\"\nexpect_error = \"EIO\"\n", 10,
     16, "has not ended yet", "`continue`"},
    {"at is no table", "[[step]]\ndo = \"finalise\"\nat = \"kho.finalise.begin\"\n", 9, 6, "\"at\" is a string",
     "[[step.at]]"},
    {"at without site", "[[step]]\ndo = \"finalise\"\n[[step.at]]\nplace = \"kho.fdt\"\nxor = \"01\"\n", 9, 1,
     "[[step.at]] needs \"site\"", ""},
    {"at with a wrong key", "[[step]]\ndo = \"finalise\"\n[[step.at]]\nsite = \"mmio\"\nplac = \"kho.fdt\"\n", 9, 1,
     "needs one of \"region\", \"place\", \"phys\"", ""},
    {"unknown place", "[[step]]\ndo = \"poke\"\nplace = \"kho.ftd\"\nxor = \"01\"\n", 9, 9, "unknown place",
     "did you mean \"kho.fdt\"?"},
    {"no such segment", "[[step]]\ndo = \"poke\"\nplace = \"segment.99\"\nxor = \"01\"\n", 9, 9, "not a segment",
     "segment.0"},
    {"odd digits", "[[step]]\ndo = \"poke\"\nphys = 0\nbytes = \"abc\"\n", 10, 9, "\"c\" is not a byte", "two hex"},
    {"poke of nothing", "[[step]]\ndo = \"poke\"\nphys = 0\nbytes = \"\"\n", 10, 9, "no bytes", ""},
    {"xor of nothing", "[[step]]\ndo = \"poke\"\nphys = 0\nxor = \"00 00\"\n", 10, 7, "changes nothing", ""},
    {"repeated never", "[[step]]\ndo = \"poke\"\nphys = 0\nbytes = \"00\"\nrepeat = 0\n", 11, 10, "\"repeat\" is 0",
     "1 to"},
    {"repeated too often", "[[step]]\ndo = \"poke\"\nphys = 0\nbytes = \"00 01\"\nrepeat = 1048576\n", 11, 10,
     "2097152 bytes long", "1M"},
    {"all of what has no end", "[[step]]\ndo = \"poke\"\nphys = 0\nbytes = \"00\"\nrepeat = \"all\"\n", 11, 10,
     "not how often", "kernel.text"},
    {"repeated somehow", "[[step]]\ndo = \"poke\"\nplace = \"kernel.text\"\nbytes = \"00\"\nrepeat = \"often\"\n", 11,
     10, "\"often\" is not how often", "\"all\""},
    {"poke nowhere", "[[step]]\ndo = \"poke\"\nbytes = \"00\"\n", 7, 1, "needs one of", ""},
    {"first of an address", "[[step]]\ndo = \"preserve\"\nphys = 4096\nfirst = 1\n", 10, 9, "counts pages of a region",
     ""},
    {"nothing expected", "[[step]]\ndo = \"expect\"\n", 7, 1, "nothing is expected", ""},
    {"nothing of the region", "[[step]]\ndo = \"expect\"\nregion = \"oops\"\nkho_boot = true\n", 9, 10,
     "nothing is expected of the region", ""},
    {"of no region", "[[step]]\ndo = \"expect\"\nintact = true\n", 9, 10, "none is named", "\"region\""},
    {"bool", "[[step]]\ndo = \"expect\"\nkho_boot = 1\n", 9, 12, "is an integer", "true or false"},
    {"empty log", "[[step]]\ndo = \"expect\"\nlog = \"\"\n", 9, 7, "every line contains", ""},
    {"empty path", "[[step]]\ndo = \"save\"\nfile = \"\"\n", 9, 8, "not a path", ""},
};

TEST_CASE("parse: what a step can have wrong") { check_cases(kStepCases, std::string(kHead) + std::string(kBoot)); }

TEST_CASE("parse: all mistakes of a file are reported, in the order of the file") {
    const Parsed parsed = parse_text(
        "titel = \"t\"\n"
        "machine = { ram = 0 }\n"
        "[kernel.a]\n"
        "generation = \"1.0\"\n"
        "[[step]]\n"
        "do = \"jump\"\n",
        "f");
    std::vector<std::string> places;
    for (const Diagnostic& d : parsed.diagnostics) places.push_back(fmt::format("{}:{}", d.place.line, d.place.col));
    CHECK(places == std::vector<std::string>{"1:1", "1:1", "2:19", "4:14", "6:6"});
}

TEST_CASE("parse: twenty mistakes are shown, the others counted") {
    std::string text(kHead);
    text += kBoot;
    for (int i = 0; i < 30; ++i) text += "[[step]]\ndo = \"nothing\"\n";
    const Parsed parsed = parse_text(text, "f");
    REQUIRE(parsed.diagnostics.size() == kDiagnosticsMax + 1);
    CHECK(to_text(parsed.diagnostics.back()) == "f: 10 more errors are not shown");
}

TEST_CASE("parse: a kernel has a layout or an image, and a poke can be repeated") {
    const auto parsed = [](std::string_view kernel, std::string_view steps) {
        return parse_text(std::string("title = \"t\"\n[kernel.a]\n") + std::string(kernel) +
                              "[[step]]\ndo = \"boot\"\nkernel = \"a\"\n" + std::string(steps),
                          "file.toml");
    };
    const Parsed p = parsed("layout = \"sorted\"\n",
                            "[[step]]\ndo = \"poke\"\nplace = \"kernel.text\"\nbytes = \"0f0b\"\nrepeat = \"all\"\n"
                            "[[step]]\ndo = \"poke\"\nplace = \"kernel.page_table\"\nbytes = \"00\"\nrepeat = 8\n");
    REQUIRE(p.scenario);
    CHECK(p.scenario->kernels[0].layout == ImageLayout::kSorted);
    const auto poke = [&](std::size_t step) {
        return std::get<step::HostPoke>(p.scenario->steps.at(step).action).poke;
    };
    CHECK((poke(1).target.kind == PlaceKind::kKernelText && poke(1).repeat == 0));
    CHECK((poke(2).target.kind == PlaceKind::kKernelPageTable && poke(2).repeat == 8));

    const Parsed unknown = parsed("layout = \"random\"\n", "");
    REQUIRE_FALSE(unknown.scenario);
    CHECK(to_text(unknown.diagnostics.at(0)).starts_with("file.toml:3:10: unknown layout \"random\""));
    const Parsed both = parsed("layout = \"sorted\"\nimage = \"" BATON_IMAGES "/x86_64/baton.img\"\n", "");
    REQUIRE_FALSE(both.scenario);
    CHECK(to_text(both.diagnostics.at(0)).find("\"image\" names another") != std::string::npos);
}

TEST_CASE("parse: every key of a right scenario arrives") {
    const Parsed parsed = parse_text(
        "title = \"all\"\ndescription = \"d\"\nbudget = 12345\nbudget_instructions = 678\n"
        "machine = { arch = \"aarch64\", ram = [\"1G\", 536870912], seed = 9, fill = 0xa5 }\n"
        "[kernel.x]\ngeneration = \"6.16\"\nkexec_base = \"6.12\"\ncma_align = \"4M\"\noptions = [\"kho_debug\"]\n"
        "defects = [\"+B15\", \"-global_underflow\"]\ncmdline = \"kho=on\"\n"
        "[[step]]\ndo = \"boot\"\nkernel = \"x\"\ninitrd = \"5M\"\ncmdline = \"quiet\"\n"
        "[[step]]\ndo = \"alloc\"\nregion = \"r\"\npages = 7\ncount = 2\n"
        "[[step]]\ndo = \"preserve\"\nregion = \"r\"\nas = \"folio\"\nfirst = 3\npages = 2\nexpect_error = \"EINVAL\"\n"
        "[[step]]\ndo = \"finalise\"\nexpect_panic = \"out of\"\n"
        "[[step.at]]\nsite = \"kho.serialise.chunk#4\"\nregion = \"r\"\noffset = \"4K\"\nbytes = \"01 02\"\n",
        "dir/f.toml");
    for (const Diagnostic& d : parsed.diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(parsed.scenario);
    const Scenario& s = *parsed.scenario;
    CHECK(s.budget.calls == 12345);
    CHECK(s.budget.instructions == 678);
    CHECK(s.machine.archs == std::vector{GeometryId::kAArch64_4K});
    CHECK(s.machine.ram_bytes == std::vector<u64>{kGiB, 512 * kMiB});
    CHECK(s.machine.fills == std::vector<u8>{0xa5});
    const KernelSpec& k = s.kernels.at(0);
    CHECK(k.generation == Generation::k6_16);
    CHECK(k.kexec_base == KexecBase::k6_12);
    CHECK(k.cma_align_bytes == 4 * kMiB);
    CHECK(k.options == kOptionKhoDebug);
    const auto bit = [](Defect d) { return u64{1} << static_cast<u32>(d); };
    CHECK(k.defects[0] == ((generation_defects(Generation::k6_16) | bit(Defect::kB15)) & ~bit(Defect::kB39)));
    const auto& boot = std::get<step::Boot>(s.steps.at(0).action);
    CHECK(boot.initrd_bytes == 5 * kMiB);
    CHECK(boot.command_line == "quiet");
    const auto& alloc = std::get<step::Alloc>(s.steps.at(1).action);
    CHECK((alloc.kind == BlockKind::kPages && alloc.pages == 7 && alloc.count == 2));
    const auto& range = std::get<step::Preserve>(s.steps.at(2).action).range;
    CHECK((range.region == "r" && range.as == BlockKind::kFolio && range.first == 3 && range.pages == 2));
    CHECK(s.steps[2].outcome.error == Errno::kEINVAL);
    CHECK(s.steps[3].outcome.ending == Ending::kPanic);
    CHECK(s.steps[3].outcome.panic == "out of");
    const ScheduledPoke& poke = s.steps[3].at.at(0);
    CHECK((poke.when.site == Site::kKhoSerialiseChunk && poke.when.nth == 4));
    CHECK((poke.poke.offset == 4096 && !poke.poke.exclusive_or && poke.poke.bytes == std::vector<u8>{1, 2}));
}

}  // namespace
