// SPDX-License-Identifier: GPL-2.0-only
// Notices that a guest has made no platform call for a while, by the wall clock, and stops its CPU.
//
// A guest runs without any counting, so silence is the only sign of a loop, and only a second thread can see it. What
// the wall clock says never becomes a result: it only decides when to begin counting instructions (GuestRunner).
//
// The stop arrives at an arbitrary moment, and yet nobody may lose or double a call because of it. So announcing and
// stopping exclude each other: beat() says whether a stop is on its way, and a caller that hears so must make the CPU
// stop where it stands, before the instruction.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "model/types.hpp"

namespace baton::sim {

class Watchdog {
public:
    /// `stop` is called on the watchdog's own thread while the CPU runs, again and again until it stops.
    Watchdog(std::chrono::milliseconds silence, std::function<void()> stop);
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
    ~Watchdog();

    /// The CPU is about to run, has stopped. After end() no stop is on its way; it says whether there was one.
    void begin();
    bool end();
    /// A platform call. True: the CPU is being stopped.
    bool beat() { return (state_.fetch_add(kBeat, std::memory_order_acq_rel) & kFired) != 0; }

private:
    static constexpr u64 kFired = 1;
    static constexpr u64 kBeat = 2;
    void watch();

    const std::chrono::milliseconds silence_;
    const std::function<void()> stop_;
    std::atomic<u64> state_ = 0;  // beats, and the fired bit
    std::mutex mutex_;
    std::condition_variable changed_;
    bool running_ = false;
    bool ending_ = false;
    std::thread thread_;  // last: it uses the others
};

}  // namespace baton::sim
