// SPDX-License-Identifier: GPL-2.0-only
#include "sim/guest/watchdog.hpp"

#include "tests/catch.hpp"

using namespace baton::sim;
using namespace std::chrono_literals;

TEST_CASE("watchdog: silence is noticed, and only while the CPU runs") {
    std::atomic<int> stops = 0;
    Watchdog watchdog(20ms, [&] { ++stops; });
    std::this_thread::sleep_for(60ms);
    REQUIRE(stops == 0);
    watchdog.begin();
    while (stops == 0) std::this_thread::sleep_for(1ms);
    REQUIRE(watchdog.beat());  // whoever calls now must stop
    REQUIRE(watchdog.end());
    const int after = stops;
    std::this_thread::sleep_for(60ms);
    REQUIRE(stops == after);
    REQUIRE(!watchdog.beat());
}

TEST_CASE("watchdog: it asks again until the CPU has stopped") {
    std::atomic<int> stops = 0;
    Watchdog watchdog(8ms, [&] { ++stops; });
    watchdog.begin();
    while (stops < 3) std::this_thread::sleep_for(1ms);
    REQUIRE(watchdog.end());
}

TEST_CASE("watchdog: who calls is left alone") {
    std::atomic<int> stops = 0;
    Watchdog watchdog(400ms, [&] { ++stops; });
    watchdog.begin();
    for (int i = 0; i < 60; ++i) {
        std::this_thread::sleep_for(10ms);
        REQUIRE(!watchdog.beat());
    }
    REQUIRE(!watchdog.end());
    REQUIRE(stops == 0);
}
