// SPDX-License-Identifier: GPL-2.0-only
#include "sim/gdb/stub.hpp"

#include <fmt/format.h>

#include <cstring>
#include <map>

#include "sim/gdb/registers.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/sim/gdb/wire.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::sim::gdb;
using baton::test::Wire;

namespace {

constexpr u64 kBase = 0xffffffff81000000;
constexpr u64 kBytes = 0x10000;

/// 64 KiB of memory, and registers that hold their index.
class Toy final : public Debuggee {
public:
    explicit Toy(Isa isa) : isa_(isa) {
        u8 n = 0;
        for (const Register& r : registers(isa))
            if (!r.field.empty()) fields.emplace_back(r.field, std::vector<u8>(r.bits > 64 ? 16 : 8, ++n));
        for (u64 i = 0; i < kBytes; ++i) memory[i] = static_cast<u8>(i);
    }
    Isa isa() const override { return isa_; }
    CpuFields read_registers() override { return fields; }
    bool write_register(std::string_view field, std::span<const u8> value) override {
        for (auto& [name, bytes] : fields)
            if (name == field) std::ranges::copy(value, bytes.begin());
        return field != "cs";
    }
    std::size_t read_memory(u64 address, std::span<u8> to) override {
        if (address - kBase >= kBytes) return 0;
        const std::size_t n = std::min<u64>(to.size(), kBase + kBytes - address);
        std::memcpy(to.data(), memory.data() + (address - kBase), n);
        return n;
    }
    bool write_memory(u64 address, std::span<const u8> bytes) override {
        if (address - kBase >= kBytes || bytes.size() > kBase + kBytes - address) return false;
        std::ranges::copy(bytes, memory.begin() + static_cast<std::ptrdiff_t>(address - kBase));
        return true;
    }
    bool add_breakpoint(u64 address, Breakpoint kind) override {
        breakpoints[address] = kind;
        return true;
    }
    void remove_breakpoint(u64 address, Breakpoint) override { breakpoints.erase(address); }
    std::string execute(std::string_view command) override { return fmt::format("did {}", command); }

    CpuFields fields;
    std::map<u64, Breakpoint> breakpoints;
    std::vector<u8> memory = std::vector<u8>(kBytes);

private:
    const Isa isa_;
};

struct Talk {
    std::vector<std::string> answers;  // payloads
    Resume end;
};

Talk talk(Toy& toy, std::initializer_list<std::string> packets) {
    std::string bytes;
    for (const std::string& p : packets) bytes += frame(p);
    Wire wire(bytes, 4096);
    Stub stub(wire);
    Talk said{.answers = {}, .end = stub.serve(toy)};
    PacketReader reader;
    for (const char c : wire.outgoing)
        if (reader.feed(static_cast<u8>(c)) == PacketReader::Event::kPacket) said.answers.push_back(reader.payload());
    return said;
}

std::string one(Toy& toy, const std::string& packet) {
    const Talk said = talk(toy, {packet});
    REQUIRE(said.answers.size() == 1);
    REQUIRE(said.end == Resume::kGone);
    return said.answers[0];
}

}  // namespace

TEST_CASE("gdb stub: registers in the order and widths of the target description") {
    for (const Isa isa : {Isa::kX86_64, Isa::kAArch64}) {
        Toy toy(isa);
        std::size_t digits = 0;
        for (const Register& r : registers(isa)) digits += r.bits / 4;
        const std::string all = one(toy, "g");
        CHECK(all.size() == digits);
        CHECK(
            all.starts_with("0101010101010101"
                            "0202020202020202"));
        const std::string pc = isa == Isa::kX86_64 ? "10" : "20";
        CHECK(one(toy, "p" + pc) == (isa == Isa::kX86_64 ? "1111111111111111" : "2121212121212121"));
        CHECK(one(toy, "P" + pc + "=0102030405060708") == "OK");
        CHECK(one(toy, "p" + pc) == "0102030405060708");
        CHECK(one(toy, "G" + all) == "OK");  // changes the pc back
        CHECK(one(toy, "g") == all);
        std::string other = all;
        other[0] = 'f';
        CHECK(one(toy, "G" + other) == "OK");
        CHECK(one(toy, "p0") == "f101010101010101");
    }
    Toy toy(Isa::kX86_64);
    CHECK(one(toy, "p11").size() == 8);                    // eflags: 32 bits
    CHECK(one(toy, "p18") == std::string(20, 'x'));        // st0: not available
    CHECK(one(toy, "P18=00000000000000000000") == "E01");  // so it cannot be written
    CHECK(one(toy, "P12=00000000") == "E01");              // cs
}

TEST_CASE("gdb stub: the target description is read in pieces, and names what it must") {
    for (const auto& [isa, core] :
         {std::pair{Isa::kX86_64, "org.gnu.gdb.i386.core"}, std::pair{Isa::kAArch64, "org.gnu.gdb.aarch64.core"}}) {
        Toy toy(isa);
        std::string xml;
        for (;;) {
            const std::string piece = one(toy, fmt::format("qXfer:features:read:target.xml:{:x},100", xml.size()));
            xml += piece.substr(1);
            if (piece[0] == 'l') break;
            REQUIRE(piece[0] == 'm');
        }
        CHECK(xml == target_description(isa));
        CHECK(xml.find(core) != std::string::npos);
        CHECK(one(toy, "qXfer:features:read:other.xml:0,100") == "E00");
        CHECK(one(toy, "qXfer:features:read:target.xml:ffffffffffffffff,100") == "l");
    }
}

TEST_CASE("gdb stub: memory is read as far as it goes and written whole or not at all") {
    Toy toy(Isa::kX86_64);
    CHECK(one(toy, "mffffffff81000010,4") == "10111213");
    CHECK(one(toy, "mffffffff8100fffe,8") == "feff");
    CHECK(one(toy, "mffffffff81010000,1") == "E0e");
    CHECK(one(toy, "m0,0") == "");
    CHECK(one(toy, "mffffffff81000000,ffffffffffffffff").size() <= kPacketMax);
    CHECK(one(toy, "Mffffffff81000000,2:abcd") == "OK");
    CHECK(one(toy, "Xffffffff81000002,3:}#") == "E16");  // says 3, brings 2
    CHECK(one(toy, "Xffffffff81000002,2:}#") == "OK");
    CHECK(one(toy, "mffffffff81000000,4") == "abcd7d23");
    CHECK(one(toy, "Mffffffff8100ffff,2:0000") == "E0e");
    CHECK(one(toy, "Xffffffff81000002,0:") == "OK");
}

TEST_CASE("gdb stub: breakpoints, and no watchpoints") {
    Toy toy(Isa::kX86_64);
    CHECK(one(toy, "Z0,ffffffff81000000,1") == "OK");
    CHECK(one(toy, "Z1,ffffffff81000008,1") == "OK");
    CHECK(toy.breakpoints.size() == 2);
    CHECK(toy.breakpoints.at(kBase + 8) == Breakpoint::kHardware);
    CHECK(one(toy, "z0,ffffffff81000000,1") == "OK");
    CHECK(toy.breakpoints.size() == 1);
    for (const char* watch : {"Z2,0,1", "Z3,0,1", "Z4,0,1", "z2,0,1"}) CHECK(one(toy, watch) == "");
}

TEST_CASE("gdb stub: commands that let the CPU run end the conversation unanswered") {
    Toy toy(Isa::kAArch64);
    CHECK(talk(toy, {"c", "g"}).end == Resume::kContinue);
    CHECK(talk(toy, {"c", "g"}).answers.empty());
    CHECK(talk(toy, {"s"}).end == Resume::kStep);
    CHECK(talk(toy, {"vCont;c"}).end == Resume::kContinue);
    CHECK(talk(toy, {"vCont;s:1;c"}).end == Resume::kStep);
    CHECK(talk(toy, {"C05;ffff"}).end == Resume::kContinue);
    CHECK(one(toy, "p20") == "ffff000000000000");
    CHECK(talk(toy, {"k"}).end == Resume::kKill);
    const Talk left = talk(toy, {"D"});
    CHECK(left.end == Resume::kDetach);
    CHECK(left.answers == std::vector<std::string>{"OK"});
}

TEST_CASE("gdb stub: what GDB asks when it connects") {
    Toy toy(Isa::kX86_64);
    CHECK(one(toy, "qSupported:multiprocess+;swbreak+").find("qXfer:features:read+") != std::string::npos);
    CHECK(one(toy, "vMustReplyEmpty") == "");
    CHECK(one(toy, "Hg0") == "OK");
    CHECK(one(toy, "?") == "T05thread:1;");
    CHECK(one(toy, "qC") == "QC1");
    CHECK(one(toy, "qfThreadInfo") == "m1");
    CHECK(one(toy, "qsThreadInfo") == "l");
    CHECK(one(toy, "vCont?") == "vCont;c;C;s;S");
    CHECK(one(toy, "qAttached") == "1");
    const Talk said = talk(toy, {"qRcmd," + to_hex("sites")});
    CHECK(said.answers == std::vector<std::string>{"O" + to_hex("did sites"), "OK"});
}

TEST_CASE("gdb stub: malformed commands are answered with an error or not at all, and nothing else happens") {
    Toy toy(Isa::kX86_64);
    const CpuFields before = toy.fields;
    for (const char* packet : {"",
                               "m",
                               "m,",
                               "m1",
                               "m1,",
                               "mx,1",
                               "m1,1x",
                               "m10000000000000000,1",
                               "M",
                               "M1,1",
                               "M1,1:",
                               "M1,1:0",
                               "M1,1:gg",
                               "M1,ffffffffffffffff:00",
                               "X",
                               "X1,1",
                               "X1,ffffffff:a",
                               "p",
                               "pq",
                               "pffffffff",
                               "p0x",
                               "P",
                               "P0",
                               "P0=",
                               "P0=00",
                               "Pffff=00",
                               "P0=zzzzzzzzzzzzzzzz",
                               "G",
                               "G00",
                               "Z",
                               "Z0",
                               "Z0,",
                               "Z0,1",
                               "Z0,x,1",
                               "Zx,1,1",
                               "z",
                               "z0",
                               "cx",
                               "sffffffffffffffffff",
                               "Cx",
                               "S",
                               "C05;x",
                               "C05x",
                               "vCont",
                               "vCont;",
                               "vCont;x",
                               "vCont;t",
                               "qRcmd,0",
                               "qRcmd,gg",
                               "qXfer:features:read:target.xml:",
                               "qXfer:features:read:target.xml:0",
                               "qXfer:features:read:target.xml:0,1x",
                               "qXfer:features:write:target.xml:0:",
                               "qXfer",
                               "q",
                               "Q",
                               "v",
                               "!",
                               "\xff\xff",
                               "i",
                               "R00"}) {
        CAPTURE(packet);
        const std::string answer = one(toy, packet);
        CHECK((answer.empty() || answer[0] == 'E'));
    }
    CHECK(toy.fields == before);
    CHECK(toy.breakpoints.empty());
}

TEST_CASE("gdb stub: a hundred thousand random packets and bytes do no harm") {
    Random random(7, 1);
    const auto byte = [&] { return static_cast<char>(random.next() >> 56); };
    constexpr std::string_view kAlphabet = "gGpPmMXZzcsHTDqQvC0123456789abcdef,;:=.#$}*-+";
    std::string bytes;
    for (int i = 0; i < 100'000; ++i) {
        std::string payload;
        for (u64 n = random.next() >> 60; n != 0; --n)
            payload += random.next() >> 63 != 0 ? byte() : kAlphabet[(random.next() >> 32) % kAlphabet.size()];
        bytes += random.next() >> 62 != 0 ? frame(payload) : payload;
    }
    Toy toy(Isa::kAArch64);
    Wire wire(bytes, 4096);
    Stub stub(wire);
    u32 resumed = 0;
    for (;;) {
        const Resume end = stub.serve(toy);
        if (end == Resume::kGone) break;
        ++resumed;
        wire.outgoing.clear();
    }
    CHECK(resumed > 100);
}
