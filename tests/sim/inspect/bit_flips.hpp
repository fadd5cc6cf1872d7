// SPDX-License-Identifier: GPL-2.0-only
// Memory that lost one bit: whichever bit of a handover's metadata it is, the inspection says something else.
//
// Exhaustive: every bit of every stored piece, trees by their totalsize (what is behind it is not written by anybody).
// Two and a half million inspections over the four captures, shared by the host's cores; under sanitizers a sample.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <thread>

#include "tests/catch.hpp"
#include "tests/support/captures.hpp"

namespace baton::test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr u64 kStride = 97;
#else
inline constexpr u64 kStride = 1;
#endif

/// Bits of a segment that a kernel wrote.
inline u64 bits_of(const LooseCapture::Segment& s) {
    if (s.bytes.size() >= 8 && std::memcmp(s.bytes.data(), "\xd0\x0d\xfe\xed", 4) == 0) {
        u32 totalsize;
        std::memcpy(&totalsize, s.bytes.data() + 4, 4);
        return u64{8} * __builtin_bswap32(totalsize);
    }
    return u64{8} * s.bytes.size();
}

struct FlipResult {
    u64 flips = 0;
    std::string unseen;  // the first few
    u64 unseen_count = 0;
};

/// Every `of`-th flip, beginning with the `part`-th.
inline FlipResult flip_all(const char* name, u64 part, u64 of) {
    LooseCapture capture(kCaptureFolder / name);
    const sim::Inspection whole = capture.inspect();
    FlipResult r;
    u64 number = 0;
    for (const auto& segment : capture.segments) {
        const u64 bits = bits_of(*segment);
        for (u64 bit = 0; bit < bits; ++bit) {
            if (++number % of != part) continue;
            segment->bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
            ++r.flips;
            if (same_findings(whole, capture.inspect()) && r.unseen_count++ < 10)
                r.unseen += fmt::format("{} byte {:#x} bit {}\n", segment->file, bit / 8, bit % 8);
            segment->bytes[bit / 8] ^= static_cast<u8>(1 << bit % 8);
        }
    }
    return r;
}

inline void require_all_seen(const char* name) {
    const u64 threads = std::max(1u, std::thread::hardware_concurrency());
    std::vector<FlipResult> results(threads);
    std::vector<std::thread> running;
    for (u64 t = 0; t < threads; ++t)
        running.emplace_back([&, t] { results[t] = flip_all(name, t * kStride, threads * kStride); });
    for (std::thread& t : running) t.join();
    std::string unseen;
    u64 flips = 0;
    for (const FlipResult& r : results) {
        unseen += r.unseen;
        flips += r.flips;
    }
    INFO(name << ": " << flips << " flips; unseen:\n" << unseen);
    CHECK(unseen.empty());
    CHECK(flips > 50000 / kStride);
}

}  // namespace baton::test
