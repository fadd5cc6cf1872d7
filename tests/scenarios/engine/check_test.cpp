// SPDX-License-Identifier: GPL-2.0-only
// Scenarios that are read well and make no sense: steps out of order, regions that are not there.
#include <fmt/format.h>

#include "scenarios/engine/parse.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::scenarios;

namespace {

constexpr std::string_view kHead = "title='t'\nkernel.a={cmdline='reserve_mem=4M:4M:oops'}\nkernel.b={}\nstep=[\n";
constexpr std::string_view kBoot = "{do='boot',kernel='a'},\n";

/// Diagnostics of steps written as inline tables, one a line, the first on line 5.
std::vector<std::string> wrong(std::string_view steps, std::string_view first = kBoot) {
    const Parsed parsed = parse_text(fmt::format("{}{}{}]\n", kHead, first, steps), "f");
    CHECK(parsed.scenario.has_value() == parsed.diagnostics.empty());
    std::vector<std::string> texts;
    for (const Diagnostic& d : parsed.diagnostics) texts.push_back(to_text(d));
    return texts;
}

using Texts = std::vector<std::string>;

TEST_CASE("check: the first step powers the machine on, and only once") {
    CHECK(wrong("{do='fill',region='oops'}", {}) ==
          Texts{"f:5:1: the machine is off when step \"fill\" comes (begin with do = \"boot\", or do = \"load\")",
                "f:5:1: region \"oops\" does not exist when step \"fill\" comes "
                "(make it with do = \"alloc\", or reserve_mem= on the command line)"});
    CHECK(wrong("{do='boot',kernel='b'}").size() == 1);
    CHECK(wrong("{do='load',file='m'},{do='finalise'}", {}).empty());
}

TEST_CASE("check: regions come from alloc and from reserve_mem of a kernel that runs") {
    CHECK(wrong("{do='fill',region='oops'}").empty());
    CHECK(
        wrong("{do='fill',region='opps'}") ==
        Texts{
            "f:6:1: region \"opps\" does not exist when step \"fill\" comes (did you mean \"oops\"? one of \"oops\")"});
    CHECK(wrong("{do='alloc',region='r',order=0},{do='preserve',region='r'}").empty());
    CHECK(wrong("{do='preserve',region='r'},{do='alloc',region='r',order=0}").size() == 1);
    CHECK(wrong("{do='alloc',region='oops',order=0}") ==
          Texts{"f:6:1: region \"oops\" exists since step 1 (give this one another name)"});
    CHECK(wrong("{do='alloc',region='r',order=0,expect_error='ENOMEM'},{do='fill',region='r'}").size() == 1);
    CHECK(wrong("{do='boot',kernel='a',cmdline='quiet'},{do='fill',region='oops'}", {}).size() == 1);
    CHECK(wrong("{do='finalise',at=[{site='mmio',region='nowhere',xor='01'}]}").size() == 1);
}

TEST_CASE("check: what was freed can only be looked at") {
    CHECK(wrong("{do='alloc',region='r',order=0},{do='free',region='r'},{do='expect',region='r',free=true}").empty());
    CHECK(wrong("{do='alloc',region='r',order=0},{do='free',region='r'},{do='fill',region='r'}") ==
          Texts{"f:6:56: region \"r\" was freed in step 3 "
                "(expect, unpin, vmalloc_read and the steps on memory blocks can still name it)"});
    CHECK(wrong("{do='free',region='oops'}") ==
          Texts{"f:6:1: region \"oops\" is reserved memory (only what was allocated can be freed)"});
}

TEST_CASE("check: a part of a region lies inside it") {
    const std::string_view alloc = "{do='alloc',region='r',order=2,count=3},";
    CHECK(wrong(std::string(alloc) + "{do='preserve',region='r',first=8,pages=4}").empty());
    CHECK(wrong(std::string(alloc) + "{do='preserve',region='r',first=8,pages=5}").size() == 1);
    CHECK(wrong(std::string(alloc) + "{do='preserve',region='r',first=12}").size() == 1);
    CHECK(wrong("{do='preserve',region='oops',first=100000}").empty());  // pages of reserve_mem depend on the machine
}

TEST_CASE("check: exec needs a loaded kernel, unless it is to fail") {
    CHECK(wrong("{do='exec'}") == Texts{"f:6:1: no kernel is loaded when step \"exec\" comes (do = \"kexec_file_load\" "
                                        "first, or expect_error = \"EINVAL\")"});
    CHECK(wrong("{do='exec',expect_error='EINVAL'}").empty());
    const std::string load = "{do='kexec_file_load',kernel='b'},";
    CHECK(wrong(load + "{do='exec'}").empty());
    CHECK(wrong(load + "{do='exec'},{do='exec'}").size() == 1);
    CHECK(wrong(load + "{do='kexec_unload'},{do='exec'}").size() == 1);
    CHECK(wrong("{do='kexec_file_load',kernel='b',expect_error='ENOMEM'},{do='exec'}").size() == 1);
}

TEST_CASE("check: after a break only the host acts, until continue") {
    const std::string broken = "{do='kexec_file_load',kernel='b'},{do='exec',break='relocate.page#2'},";
    CHECK(wrong(broken + "{do='poke',region='oops',xor='01'},{do='continue'},{do='finalise'}").empty());
    CHECK(wrong(broken + "{do='continue',expect_verdict='hang'},{do='expect',log='x'}").empty());
    CHECK(wrong(broken + "{do='finalise'}").size() == 1);
    CHECK(wrong("{do='continue'}") == Texts{"f:6:1: there is nothing to continue (a step before it needs \"break\")"});
    // The load has its effect only when it is continued.
    CHECK(wrong("{do='kexec_file_load',kernel='b',break='kexec.load.page'},{do='continue'},{do='exec'}").empty());
    CHECK(wrong("{do='kexec_file_load',kernel='b',break='kexec.load.page'},{do='continue',expect_error='ENOMEM'},"
                "{do='exec'}")
              .size() == 1);
}

TEST_CASE("check: a kernel that ended takes no commands") {
    const std::string ended = "{do='finalise',expect_verdict='panic'},";
    CHECK(wrong(ended + "{do='expect',log='x'},{do='save',file='m'}").empty());
    CHECK(
        wrong(ended + "{do='abort'}") ==
        Texts{
            "f:6:40: the kernel ended in step 2, before step \"abort\" (only poke, expect, save and load can follow)"});
}

TEST_CASE("check: what a loaded machine has is not known") {
    CHECK(wrong("{do='save',file='m'},{do='load',file='m'},{do='fill',region='anything'},{do='exec'},{do='continue'}")
              .empty());
}

}  // namespace
