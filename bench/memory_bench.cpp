// SPDX-License-Identifier: GPL-2.0-only
// What going back costs: snapshots, dirty sets and the state hash of a 512 MiB machine with a busy 64 MiB.
//
// The budget of the explorer is 20 µs for a restore of 50 dirty frames (decision D17).
#include <memory>
#include <vector>

#include "sim/events/event_log.hpp"
#include "sim/memory/snapshot.hpp"
#include "sim/memory/state_hash.hpp"
#include "sim/ownership/ownership_map.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

constexpr u64 kDirty = 50;
constexpr u64 kBusyBytes = 64 * kMiB;

/// `ram_bytes` of RAM whose first 64 MiB hold random bytes.
std::unique_ptr<PhysicalMemory> busy_machine(u64 ram_bytes) {
    const PhysRange ram[] = {{{0}, ram_bytes}};
    auto memory = std::make_unique<PhysicalMemory>(ram);
    Random random(1, 1);
    for (u64 a = 0; a < kBusyBytes; a += 8) (void)memory->store({a}, random.next());
    return memory;
}

/// 50 frames anywhere in the busy part.
std::vector<u64> some_frames(u64 seed) {
    Random random(seed, 2);
    std::vector<u64> frames(kDirty);
    for (u64& frame : frames) frame = random.bounded(kBusyBytes / kFrameSize);
    return frames;
}

/// Changes one word of each frame.
void dirty(PhysicalMemory& memory, const std::vector<u64>& frames, u64 value) {
    for (const u64 frame : frames) (void)memory.store({frame * kFrameSize + 8}, value);
}

}  // namespace

TEST_CASE("memory: 50 dirty frames of 512 MiB") {
    const auto memory = busy_machine(512 * kMiB);
    RamSnapshots snapshots(*memory);
    RamHash hash(*memory);
    hash.value();
    const Snapshot base = snapshots.take();
    // An explorer dirties much the same frames again and again; others are the worst case, each a cache and TLB miss.
    const std::vector<u64> same = some_frames(0);
    u64 n = 0;

    BENCHMARK("write the same 50 frames") { dirty(*memory, same, ++n); };
    BENCHMARK("write the same 50 frames, restore") {
        dirty(*memory, same, ++n);
        snapshots.restore(base);
    };
    BENCHMARK("write any 50 frames, restore") {
        ++n;
        dirty(*memory, some_frames(n), n);
        snapshots.restore(base);
    };
    BENCHMARK("write the same 50 frames, take, restore the base") {
        dirty(*memory, same, ++n);
        const Snapshot taken = snapshots.take();
        snapshots.restore(base);
        return taken;
    };
    BENCHMARK("write the same 50 frames, hash") {
        dirty(*memory, same, ++n);
        return hash.value();
    };
}

TEST_CASE("memory: 64 MiB at once") {
    const auto memory = busy_machine(512 * kMiB);
    RamHash hash(*memory);
    hash.value();
    u64 n = 0;
    BENCHMARK("hash 64 MiB") {
        ++n;
        for (u64 a = 0; a < kBusyBytes; a += kFrameSize) (void)memory->store({a}, n);
        return hash.value();
    };
    BENCHMARK("first snapshot of 64 MiB") {
        RamSnapshots snapshots(*memory);
        return snapshots.take();
    };
}

TEST_CASE("memory: 50 dirty frames of 16 TiB") {
    const auto memory = busy_machine(16 * kTiB);
    RamSnapshots snapshots(*memory);
    const Snapshot base = snapshots.take();
    const std::vector<u64> same = some_frames(0);
    u64 n = 0;
    BENCHMARK("collect nothing") { memory->collect(); };
    BENCHMARK("write the same 50 frames, restore") {
        dirty(*memory, same, ++n);
        snapshots.restore(base);
    };
}

TEST_CASE("bookkeeping") {
    OwnershipMap map;
    map.set({{0}, 512 * kMiB}, Owner::kFree);
    Random random(4, 4);
    BENCHMARK("ownership: set a frame") {
        map.set({{random.bounded(512 * kMiB)}, 1}, static_cast<Owner>(random.bounded(4)));
    };
    BENCHMARK("ownership: look up a frame") { return map.at(PhysAddr{random.bounded(512 * kMiB)}); };
    BENCHMARK("ownership: snapshot, set 50 frames, restore") {
        const OwnershipMap::State state = map.snapshot();
        for (u64 i = 0; i < kDirty; ++i) map.set({{random.bounded(512 * kMiB)}, 1}, Owner::kUser);
        map.restore(state);
    };
    EventLog log;
    u64 time = 0;
    BENCHMARK("event log: a site") { log.site(Site::kRelocatePage, ++time, 1, 2); };
}
