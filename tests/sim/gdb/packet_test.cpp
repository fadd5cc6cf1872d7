// SPDX-License-Identifier: GPL-2.0-only
#include "sim/gdb/packet.hpp"

#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/sim/gdb/wire.hpp"

using namespace baton;
using namespace baton::sim::gdb;
using baton::test::Wire;

TEST_CASE("gdb packets: framing and escapes, as the protocol's manual has them") {
    CHECK(frame("OK") == "$OK#9a");
    CHECK(frame("") == "$#00");
    CHECK(frame("a}b") == "$a}]b#9d");
    CHECK(frame("#$*") == "$}\x03}\x04}\x0a#88");
}

TEST_CASE("gdb packets: every payload comes back, whatever is in it and however it is cut") {
    sim::Random random(1, 1);
    for (std::size_t bytes : {0, 1, 2, 63, 64, 1000, 5000}) {
        std::string payload;
        for (std::size_t i = 0; i < bytes; ++i) payload += static_cast<char>(random.next() >> 56);
        Wire wire(frame(payload), bytes / 3 + 1);
        PacketChannel channel(wire);
        REQUIRE(channel.receive() == payload);
        REQUIRE(wire.outgoing == "+");
        REQUIRE_FALSE(channel.receive());
    }
}

TEST_CASE("gdb packets: a damaged one is asked for again, a cut one is dropped, noise is nothing") {
    Wire wire("noise$g#00$m12$g#67+++$p0#xy$?#3f");
    PacketChannel channel(wire);
    CHECK(channel.receive() == "g");
    CHECK(channel.receive() == "?");
    CHECK(wire.outgoing == "-+-+");
}

TEST_CASE("gdb packets: a repetition that is asked for is made, until both sides trust the line") {
    Wire wire("--");
    PacketChannel channel(wire);
    channel.send("OK");
    CHECK_FALSE(channel.receive());
    CHECK(wire.outgoing == "$OK#9a$OK#9a$OK#9a");

    Wire trusted("-$g#00$?#3f");
    PacketChannel quiet(trusted);
    quiet.stop_acknowledging();
    quiet.send("OK");
    CHECK(quiet.receive() == "?");
    CHECK(trusted.outgoing == "$OK#9a");
}

TEST_CASE("gdb packets: one that is too long is no command, and the next is read") {
    Wire wire(frame(std::string(10 * kPacketMax, 'a')) + frame("?"), 4096);
    PacketChannel channel(wire);
    CHECK(channel.receive() == "");
    CHECK(channel.receive() == "?");
}

TEST_CASE("gdb packets: an interrupt is seen while the CPU runs, and what comes with it is kept") {
    Wire wire(frame("?"));
    PacketChannel channel(wire);
    CHECK_FALSE(channel.interrupted());
    wire.incoming += '\x03';
    CHECK(channel.interrupted());
    CHECK(channel.receive() == "?");
    Wire gone("");
    PacketChannel closed(gone);
    CHECK_FALSE(closed.receive());
    CHECK(closed.interrupted());
}

TEST_CASE("gdb packets: hexadecimal") {
    CHECK(to_hex("Az") == "417a");
    CHECK(from_hex("417A") == "Az");
    CHECK_FALSE(from_hex("417"));
    CHECK_FALSE(from_hex("4g"));
    std::string_view text = "ffffffffffffffff,1";
    CHECK(take_hex(text) == ~u64{0});
    CHECK(text == ",1");
    std::string_view long_text = "10000000000000000";
    CHECK_FALSE(take_hex(long_text));
    std::string_view none = ",";
    CHECK_FALSE(take_hex(none));
}
