// SPDX-License-Identifier: GPL-2.0-only
// The purgatory's code: what it accepts, what it refuses, and the state it leaves (specs/kexec.md §6, §7.6).
#include <nettle/sha2.h>

#include "model/kexec/purgatory.hpp"
#include "sim/native/relocator.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"
#include "tests/firmware/machine_code.hpp"

namespace baton::test {
namespace {

using kexec::PurgatoryRegion;

inline constexpr u64 kBlob = 9 * kMiB + 0x3000;  // any page
inline constexpr u64 kNext = 20 * kMiB + 0x200;

// A purgatory in RAM with random regions, some empty, over random bytes.
struct Bench : MachineCode {
    explicit Bench(u64 seed) : MachineCode(GeometryId::kX86_64), random(seed, 3) {
        const ImageHeader h = image.header();
        std::memcpy(native(kBlob), image.payload().data() + h.purgatory_offset, h.purgatory_size);
        std::memcpy(&header, native(kBlob), sizeof(header));
        for (u64 o = 12 * kMiB; o < 16 * kMiB; o += sizeof(u64)) {
            const u64 word = random.next();
            std::memcpy(native(o), &word, sizeof(word));
        }
        sha256_ctx sha;
        sha256_init(&sha);
        for (u32 i = 0; i < kexec::kPurgatoryRegions; ++i) {
            if (i >= 10 || random.bounded(3) == 0) continue;
            regions[i] = {at(12 * kMiB + random.bounded(2 * kMiB)), 1 + random.bounded(i % 2 == 0 ? 300 : 100000)};
            sha256_update(&sha, regions[i].bytes, native(regions[i].start - start));
        }
        u8 digest[SHA256_DIGEST_SIZE];
        sha256_digest(&sha, sizeof(digest), digest);
        u64 registers[kexec::kPurgatoryRegisters];
        for (u64& r : registers) r = random.next();
        registers[kexec::kRip] = at(kNext).value;
        std::memcpy(native(kBlob + header.regions), regions, sizeof(regions));
        std::memcpy(native(kBlob + header.digest), digest, sizeof(digest));
        std::memcpy(native(kBlob + header.registers), registers, sizeof(registers));
    }

    // From its first instruction to the next kernel, or to the loop.
    sim::CpuStop run() {
        const PhysAddr root = table();
        map(g, root, start.value, start, kBenchRam, paging::kMapWrite | paging::kMapExecute);
        split();
        set_long_mode(root);
        set("cr4", 0x20);  // as relocation leaves it: no SSE
        set("rsp", 8);     // the purgatory needs nobody's stack
        const ImageHeader h = image.header();
        const u64 blob = at(kBlob).value;
        on(blob + h.labels[kLabelPurgatoryRegion], [this] { hashed.push_back({{get("r12")}, get("r13")}); });
        on(blob + h.labels[kLabelPurgatoryLoop], [this] {
            looped = true;
            engine->request_stop();
        });
        engine->set_pc(blob + kexec::kPurgatoryEntryOffset);
        return engine->run(at(kNext).value);
    }

    sim::Random random;
    kexec::PurgatoryHeader header;
    PurgatoryRegion regions[kexec::kPurgatoryRegions] = {};
    std::vector<PurgatoryRegion> hashed;
    bool looped = false;
};

}  // namespace

TEST_CASE("purgatory: intact regions lead to the next kernel with the registers of the table, and no trace is left") {
    for (u64 seed = 0; seed < 8; ++seed) {
        CAPTURE(seed);
        Bench b(seed);
        REQUIRE(b.run().kind == sim::CpuStop::Kind::kUntil);
        const char* const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8",
                                     "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rip"};
        for (u32 i = 0; i < kexec::kPurgatoryRegisters; ++i) {
            u64 expected = 0;
            std::memcpy(&expected, b.native(kBlob + b.header.registers + i * sizeof(u64)), sizeof(expected));
            CAPTURE(names[i]);
            CHECK(b.get(names[i]) == expected);
        }
        CHECK(b.get("rflags") == 0x46);
        u32 next = 0;
        for (const PurgatoryRegion& r : b.regions) {
            if (r.bytes == 0) continue;
            REQUIRE(next < b.hashed.size());
            CHECK(b.hashed[next].start == r.start);
            CHECK(b.hashed[next++].bytes == r.bytes);
        }
        CHECK(next == b.hashed.size());
        CHECK(b.first_difference() == kBenchRam);
    }
}

TEST_CASE("purgatory: one flipped bit in a region is an endless loop, as for the twin") {
    for (u64 seed = 0; seed < 8; ++seed) {
        CAPTURE(seed);
        Bench b(seed);
        u32 i = 0;
        while (b.regions[i].bytes == 0) ++i;
        const PurgatoryRegion& r = b.regions[i];
        const u64 victim = (r.start - b.start) + b.random.bounded(r.bytes);
        *b.native(victim) ^= static_cast<u8>(1u << b.random.bounded(8));
        REQUIRE(b.run().kind == sim::CpuStop::Kind::kRequested);
        CHECK(b.looped);
        sim::Fault fault;
        REQUIRE(b.machine
                    .run([&] {
                        const auto entry = sim::run_purgatory({b.at(kBlob + kexec::kPurgatoryEntryOffset)});
                        if (!entry) fault = entry.error();
                    })
                    .kind == sim::Fault::Kind::kNone);
        CHECK(fault.kind == sim::Fault::Kind::kPurgatoryLoop);
        CHECK(b.first_difference() == kBenchRam);
    }
}

TEST_CASE("purgatory: without regions the digest is that of nothing") {
    Bench b(99);
    for (PurgatoryRegion& r : b.regions) r = {};
    std::memset(b.native(kBlob + b.header.regions), 0, sizeof(b.regions));
    sha256_ctx sha;
    sha256_init(&sha);
    sha256_digest(&sha, SHA256_DIGEST_SIZE, b.native(kBlob + b.header.digest));
    REQUIRE(b.run().kind == sim::CpuStop::Kind::kUntil);
    CHECK(b.hashed.empty());
}

}  // namespace baton::test
