// SPDX-License-Identifier: GPL-2.0-only
#include "sim/guest/watchdog.hpp"

namespace baton::sim {

namespace {
// How often the thread looks: silence is noticed after one to one and a quarter of its length.
inline constexpr int kLooksPerSilence = 4;
}  // namespace

Watchdog::Watchdog(std::chrono::milliseconds silence, std::function<void()> stop)
    : silence_(silence), stop_(std::move(stop)), thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

// The thread wakes by itself: begin() and end() cost a mutex nobody else wants, not a system call.
void Watchdog::begin() {
    const std::lock_guard lock(mutex_);
    state_.fetch_add(kBeat, std::memory_order_acq_rel);
    running_ = true;
}

bool Watchdog::end() {
    const std::lock_guard lock(mutex_);
    running_ = false;
    return (state_.fetch_and(~kFired, std::memory_order_acq_rel) & kFired) != 0;
}

void Watchdog::watch() {
    std::unique_lock lock(mutex_);
    u64 seen = 0;
    int quiet_looks = 0;
    while (!ending_) {
        changed_.wait_for(lock, silence_ / kLooksPerSilence);
        if (!running_ || ending_) continue;
        u64 now = state_.load(std::memory_order_acquire);
        if ((now & kFired) != 0) {
            stop_();  // it came between two runs of the emulator: ask again
            continue;
        }
        if (now != seen) {
            seen = now;
            quiet_looks = 0;
            continue;
        }
        if (++quiet_looks < kLooksPerSilence) continue;
        // A beat at this very moment wins: the exchange fails.
        if (state_.compare_exchange_strong(now, now | kFired, std::memory_order_acq_rel)) stop_();
        quiet_looks = 0;
    }
}

}  // namespace baton::sim
