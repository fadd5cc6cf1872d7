// SPDX-License-Identifier: GPL-2.0-only
// Fibers and the ways a native kernel leaves one: suspended, dropped, off its stack.
#include "sim/native/fiber.hpp"

#include "tests/catch.hpp"

namespace baton::sim {

TEST_CASE("fiber: suspends and goes on where it was, with its locals") {
    Fiber fiber;
    int seen = 0;
    fiber.start([&] {
        for (int i = 1;; ++i) {
            seen = i;
            fiber.suspend();
        }
    });
    for (int i = 1; i <= 1000; ++i) {
        fiber.resume();
        REQUIRE(seen == i);
    }
}

TEST_CASE("fiber: a dropped one starts anew on a clean stack") {
    Fiber fiber;
    int runs = 0;
    for (int i = 0; i < 100; ++i) {
        fiber.start([&] {
            volatile char deep[32 * 1024];
            for (std::size_t n = 0; n < sizeof(deep); n += 512) deep[n] = static_cast<char>(n);
            ++runs;
            if (i % 2 == 0) fiber.leave();
            for (;;) fiber.suspend();
        });
        fiber.resume();
    }
    REQUIRE(runs == 100);
}

TEST_CASE("fiber: the guard lies below the stack and nowhere else") {
    Fiber fiber;
    bool own_frame_in_guard = true;
    fiber.start([&] {
        int local = 0;
        own_frame_in_guard = fiber.in_guard(&local);
        fiber.leave();
    });
    fiber.resume();
    REQUIRE_FALSE(own_frame_in_guard);
    int host_local = 0;
    REQUIRE_FALSE(fiber.in_guard(&host_local));
}

namespace {
[[gnu::noinline]] int dig(int depth) {
    volatile char frame[1024];
    frame[0] = static_cast<char>(depth);
    return depth == 0 ? 0 : dig(depth - 1) + frame[0];
}
}  // namespace

TEST_CASE("fiber: running off the stack comes back as an overflow, time and again") {
    Fiber fiber;
    for (int i = 0; i < 3; ++i) {
        fiber.start([&] {
            dig(1'000'000);
            fiber.leave();
        });
        REQUIRE(fiber.resume() == Fiber::Back::kOverflowed);
        fiber.start([&] {
            dig(50);
            fiber.leave();
        });
        REQUIRE(fiber.resume() == Fiber::Back::kSuspended);
    }
}

}  // namespace baton::sim
