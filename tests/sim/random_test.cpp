// SPDX-License-Identifier: GPL-2.0-only
#include "sim/random.hpp"

#include <set>

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

TEST_CASE("random: splitmix64 and xoshiro256** give their published sequences") {
    u64 state = 1234567;
    CHECK(splitmix64(state) == 6457827717110365317u);
    CHECK(splitmix64(state) == 3203168211198807973u);
    CHECK(splitmix64(state) == 9817491932198370423u);

    Random random(std::array<u64, 4>{1, 2, 3, 4});
    for (const u64 expected : {u64{11520}, u64{0}, u64{1509978240}, u64{1215971899390074240}, u64{1216172134540287360},
                               u64{607988272756665600}, u64{16172922978634559625u}, u64{8476171486693032832},
                               u64{10595114339597558777u}, u64{2904607092377533576}})
        CHECK(random.next() == expected);
}

TEST_CASE("random: streams and seeds differ, equal ones do not") {
    std::set<u64> first;
    for (u64 seed = 0; seed < 30; ++seed)
        for (u64 stream = 0; stream < 30; ++stream) first.insert(Random(seed, stream).next());
    CHECK(first.size() == 900);
    CHECK(Random(3, 4) == Random(3, 4));

    Random a(3, 4);
    a.next();
    Random copy = a;
    CHECK(copy.next() == a.next());
    Random resumed(a.state());
    CHECK(resumed.next() == a.next());
}

TEST_CASE("random: bounded numbers are below the limit, reach every value, and are even") {
    Random random(9, 9);
    u64 counts[6] = {};
    for (int i = 0; i < 60000; ++i) {
        const u64 n = random.bounded(6);
        REQUIRE(n < 6);
        ++counts[n];
    }
    for (const u64 count : counts) {
        CHECK(count > 9500);
        CHECK(count < 10500);
    }
    for (int i = 0; i < 100; ++i) CHECK(random.bounded(1) == 0);
    // Three quarters of 2^64: a plain modulo would return the lower third twice as often.
    const u64 limit = u64{3} << 62;
    u64 low = 0;
    for (int i = 0; i < 30000; ++i) low += random.bounded(limit) < limit / 3;
    CHECK(low > 9500);
    CHECK(low < 10500);
}
