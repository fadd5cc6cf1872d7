// SPDX-License-Identifier: GPL-2.0-only
// `baton gdb` with the real debugger, on both ISAs.
#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "sim/gdb/packet.hpp"
#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

using namespace baton::tests;
using baton::sim::gdb::frame;

namespace {

constexpr std::string_view kQuickstart = BATON_SOURCE_DIR "/scenarios/library/quickstart.toml";
constexpr std::string_view kArchs[] = {"x86_64", "aarch64"};

std::string shell_word(std::string_view word) {
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

/// What a debugger said. Results come on its standard output; errors, and what the target says, on its standard error.
/// Each is in order; how the two mix in one file is chance.
struct Session {
    std::string out;
    std::string err;
    std::string all() const { return out + "\n-- on standard error\n" + err; }
    bool said(std::string_view piece) const {
        return out.find(piece) != std::string::npos || err.find(piece) != std::string::npos;
    }
};

/// What gdb-multiarch says to these commands; one that fails does not end the session.
Session run_gdb(std::string_view arch, const std::string& connect, const std::vector<std::string>& commands) {
    if (std::system("command -v gdb-multiarch >/dev/null") != 0)
        FAIL("gdb-multiarch is not installed: apt-get install gdb-multiarch");
    const TemporaryFolder folder;
    std::string command = "timeout 120 gdb-multiarch -nx -batch";
    std::vector<std::string> all = {"set sysroot", "set width 0", "set remotetimeout 60", "set confirm off", connect};
    all.insert(all.end(), commands.begin(), commands.end());
    for (const std::string& c : all) command += " -ex " + shell_word(c);
    command +=
        fmt::format(" " BATON_IMAGES "/{}/baton.elf >{} 2>{} </dev/null", arch, folder.path("out"), folder.path("err"));
    const int status = std::system(command.c_str());
    Session session{folder.read("out"), folder.read("err")};
    INFO(session.all());
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) != 124);
    return session;
}

Session debug(std::string_view arch, std::string_view arguments, const std::vector<std::string>& commands,
              std::string_view scenario = kQuickstart) {
    return run_gdb(
        arch, fmt::format("target remote | " BATON_BINARY " gdb {} --arch {} --stdio {}", scenario, arch, arguments),
        commands);
}

/// Each piece comes behind the earlier ones of its stream.
void require_in_order(const Session& session, const std::vector<std::string>& pieces) {
    INFO(session.all());
    std::size_t in_out = 0;
    std::size_t in_err = 0;
    for (const std::string& piece : pieces) {
        INFO(piece);
        if (const std::size_t at = session.out.find(piece, in_out); at != std::string::npos) {
            in_out = at + piece.size();
            continue;
        }
        in_err = session.err.find(piece, in_err);
        REQUIRE(in_err != std::string::npos);
        in_err += piece.size();
    }
}

/// Sends bytes to `baton gdb --stdio` instead of a debugger.
Said send(std::string_view bytes) {
    const TemporaryFolder folder;
    const std::string file = folder.write("bytes", bytes);
    return run_baton(fmt::format("gdb {} --stdio <{}", kQuickstart, file));
}

}  // namespace

TEST_CASE("gdb: break at a site, read symbols, step, continue, on both ISAs") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const Session said =
            debug(arch, "--at kho.finalise.begin",
                  {"bt 3", "print/x *(unsigned long*)(&image_start) != 0", "stepi", "print 4242",
                   "break baton::platform::jump", "continue", "bt 3", "print/x jump.page_size", "delete", "continue"});
        require_in_order(
            said, {"baton::platform::at (site=site@entry=baton::Site::kKhoFinaliseBegin",
                   "baton::kho::outgoing::", "$1 = 0x1", "= 4242", "Breakpoint 1,", "baton::platform::jump (jump=...)",
                   "baton::kexec::reboot (k=...)", "= 0x1000", "the scenario is over; exit code 0", "exited normally"});
    }
}

TEST_CASE("gdb: one session sees both kernels and the code between them") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const Session said = debug(arch, "--at kexec.jump",
                                   {"monitor site relocate.page#3", "continue", "monitor where", "stepi", "stepi",
                                    "monitor where", "monitor site boot.done", "continue", "bt 3",
                                    "break baton::kernel_resume", "continue", "monitor sites", "kill"});
        require_in_order(said, {"continue stops at relocate.page#3 from here", "at relocate.page (0x", "SIGTRAP",
                                "relocate_label_page+0x0", "relocate_label_", "at boot.done (0x0, 0x0)", "SIGTRAP",
                                "baton::kernel_main", "Breakpoint 1, baton::kernel_resume", "relocate.page",
                                "kernel.entry             2", "killed"});
    }
}

TEST_CASE("gdb: stepping executes one instruction, wherever") {
    // Over the store that is a platform call, at a label, and behind it.
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const std::string traced =
            run_baton(fmt::format("trace {} --arch {} --at relocate.page#3 --count 4", kQuickstart, arch)).out;
        std::vector<std::string> pcs;
        for (std::size_t at = traced.find("\n  0x"); at != std::string::npos; at = traced.find("\n  0x", at + 1))
            pcs.push_back("pc=" + traced.substr(at + 3, 18));
        REQUIRE(pcs.size() == 4);
        std::vector<std::string> commands;
        for (int i = 0; i < 4; ++i) {
            commands.push_back("printf \"pc=0x%016lx\\n\", $pc");
            commands.push_back("stepi");
        }
        require_in_order(debug(arch, "--at relocate.page#3", commands), pcs);
    }
}

TEST_CASE("gdb: registers, memory and page walks of the moment, and writing them") {
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        const std::string text = arch == "x86_64" ? "0xffffffff81000000" : "0xffff800080000000";
        const std::string reg = arch == "x86_64" ? "$rbx" : "$x19";
        const std::string root = arch == "x86_64" ? "p/x $cr3" : "p/x $ttbr1_el1";
        const std::string vector = arch == "x86_64" ? "$xmm3" : "$v3";
        // AArch64's kernel runs with the lower half closed (TCR_EL1.EPD0).
        const std::string low = arch == "x86_64" ? "not present" : "this half of the address space is closed";
        const Session said =
            debug(arch, "--at boot.done",
                  {root, "monitor walk " + text, "monitor walk 0x10", "x/1xg 0x10", "set var $was = " + reg,
                   "set var " + reg + " = 0x1234", "print/x " + reg, "set var " + reg + " = $was",
                   "set var " + vector + " = 77", "print " + vector, "set var *(char*)" + text + " = 0x5a",
                   "x/1xb " + text, "monitor nonsense", "detach"});
        require_in_order(
            said, {"$1 = 0x", text + ": mapped -> 0x", "leaf, kernel r", "level 0:", "0x10: " + low,
                   "Cannot access memory at address 0x10", "= 0x1234", "= 77", "0x5a", "site NAME[#k]", "detached"});
    }
}

TEST_CASE("gdb: a kernel that dies is shown where it died, and the run ends with its verdict") {
    const TemporaryFolder folder;
    const std::string file = folder.write(
        "t.toml",
        "title = 't'\nmachine = { arch = ['x86_64', 'aarch64'] }\n"
        "kernel.a = { cmdline = 'kho=on kho_scratch=4G,4G,4G' }\nstep = [{ do = 'boot', kernel = 'a' }]\n");
    for (const std::string_view arch : kArchs) {
        INFO(arch);
        // Its text is overwritten by the debugger: no instruction begins there.
        const std::string text = arch == "x86_64" ? "0xffff" : "0xffffffff";
        const Session said =
            debug(arch, "--at kernel.entry",
                  {"break baton::kernel_resume", "continue", fmt::format("set var *(unsigned*)$pc = {}", text),
                   "delete", "continue", "printf \"still %d\\n\", $pc != 0", "continue"},
                  file);
        INFO(said.all());
        CHECK((said.said("the kernel is gone: exception") || said.said("the kernel is gone: panic")));
        CHECK(said.said("still 1"));
        CHECK(said.said("exited with code 01"));
    }
}

TEST_CASE("gdb: over TCP on this host's own address") {
    const TemporaryFolder folder;
    const std::string said = folder.path("said");
    REQUIRE(std::system(fmt::format("timeout 100 " BATON_BINARY " gdb {} --at boot.done 2>{} & "
                                    "for i in $(seq 300); do grep -qs 127.0.0.1: {} && break; sleep 0.1; done",
                                    kQuickstart, said, said)
                            .c_str()) == 0);
    const std::string line = folder.read("said");
    CAPTURE(line);
    const std::size_t at = line.find("127.0.0.1:");
    REQUIRE(at != std::string::npos);
    const std::string address = line.substr(at, line.find_first_of("'\n", at) - at);
    const Session session = run_gdb("x86_64", "target remote " + address, {"monitor where", "kill"});
    INFO(session.all());
    CHECK(session.said("baton::platform::at"));
}

TEST_CASE("gdb: whoever sends nonsense instead of GDB gets no harm done and the process ends") {
    CHECK(send("").exit == 0);
    CHECK(send("GET / HTTP/1.1\r\n\r\n").exit == 0);
    CHECK(send("$mffffffffffffffff,ffffffffffffffff#00").exit == 0);
    CHECK(send("$" + std::string(1 << 20, 'm')).exit == 0);
    const Said huge = send(frame("mfffffffffffffff0,ffffffffffffffff") + frame("Gzz") + frame("k"));
    CHECK(huge.exit == 0);
    CHECK(huge.out.find("$E0e#") != std::string::npos);
    CHECK(huge.out.find("$E16#") != std::string::npos);
}

TEST_CASE("gdb: a point that is not reached is said, and is a failure") {
    const Said said = run_baton(fmt::format("gdb {} --at kho.abort --stdio </dev/null", kQuickstart));
    CHECK(said.exit == 1);
    CHECK(said.err.find("kho.abort is not reached") != std::string::npos);
    CHECK(said.out.empty());
    CHECK(run_baton(fmt::format("gdb {} --at nothing", kQuickstart)).exit == 2);
    CHECK(run_baton(fmt::format("gdb {} --port 70000", kQuickstart)).exit == 2);
    CHECK(run_baton(fmt::format("gdb {} --port 1 --stdio", kQuickstart)).exit == 2);
    CHECK(run_baton("gdb /nowhere.toml --stdio").exit == 3);
}
