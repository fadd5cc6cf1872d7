// SPDX-License-Identifier: GPL-2.0-only
// The hash of a handover (decision D4).
#define XXH_STATIC_LINKING_ONLY
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>

#include "model/bits.hpp"
#include "sim/handover/handover.hpp"

namespace baton::sim {
namespace {

// One number per kind of piece, so that bytes of one kind cannot stand for another.
enum class Tag : u64 { kRootFdt = 1, kSubFdt, kTracker, kScratchArray, kBootRecord, kPreserved };

class PieceHash {
public:
    PieceHash() { XXH3_128bits_reset(&state_); }
    void add(Tag tag, PhysAddr phys, std::span<const u8> bytes) {
        const u64 head[3] = {static_cast<u64>(tag), phys.value, bytes.size()};
        XXH3_128bits_update(&state_, head, sizeof(head));
        XXH3_128bits_update(&state_, bytes.data(), bytes.size());
    }
    std::string hex() const {
        const XXH128_hash_t h = XXH3_128bits_digest(&state_);
        return fmt::format("{:016x}{:016x}", h.high64, h.low64);
    }

private:
    XXH3_state_t state_;
};

}  // namespace

std::string handover_hash(const BootHandover& boot, const Handover& handover, const Geometry& g,
                          const TouchedFrames& touched) {
    PieceHash hash;
    hash.add(Tag::kRootFdt, handover.root_fdt.phys, handover.root_fdt.bytes);
    for (const HandoverPiece& p : handover.sub_fdts) hash.add(Tag::kSubFdt, p.phys, p.bytes);
    for (const HandoverPiece& p : handover.blobs) hash.add(Tag::kSubFdt, p.phys, p.bytes);
    for (const HandoverPiece& p : handover.tracker) hash.add(Tag::kTracker, p.phys, p.bytes);
    hash.add(Tag::kScratchArray, handover.scratch_array.phys, handover.scratch_array.bytes);
    hash.add(Tag::kBootRecord, boot.record_at, boot.record);
    std::vector<HandoverBlock> blocks = handover.blocks;
    std::ranges::sort(blocks);
    for (const HandoverBlock& b : blocks) {
        const u64 bytes = shl(1, b.order.value + g.page_shift);
        hash.add(Tag::kPreserved, b.phys, {reinterpret_cast<const u8*>(&bytes), sizeof(bytes)});
        touched({b.phys, bytes}, [&](PhysAddr a, std::span<const u8> frame) { hash.add(Tag::kPreserved, a, frame); });
    }
    return hash.hex();
}

}  // namespace baton::sim
