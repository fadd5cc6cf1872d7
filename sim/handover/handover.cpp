// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/handover.hpp"

#define XXH_STATIC_LINKING_ONLY
#include <fmt/format.h>
#include <libfdt.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "model/bits.hpp"
#include "model/kho/abi.hpp"
#include "sim/handover/radix.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kScratchAreasMax = 4096;
inline constexpr u64 kChunksMax = 1u << 20;
inline constexpr u64 kBlocksMax = 1u << 24;  // 16 Mi blocks: 64 GiB in single pages
inline constexpr u64 kBlobBytesMax = 2 * kMiB;

// A flattened tree at `a`, by its totalsize; empty unless libfdt finds it well formed.
std::vector<u8> read_fdt(PhysAddr a, u64 bytes_max, const RamReader& read) {
    fdt_header header;
    if (!read(a, {reinterpret_cast<u8*>(&header), sizeof(header)}) || fdt_check_header(&header) != 0) return {};
    const u64 bytes = fdt_totalsize(&header);
    if (bytes < sizeof(header) || bytes > bytes_max) return {};
    std::vector<u8> tree(bytes);
    if (!read(a, tree) || fdt_check_full(tree.data(), bytes) != 0) return {};
    return tree;
}

std::optional<u64> native_u64(const void* tree, int node, const char* name) {
    int len = 0;
    const void* p = fdt_getprop(tree, node, name, &len);
    if (p == nullptr || len != 8) return std::nullopt;
    u64 v;
    std::memcpy(&v, p, sizeof(v));
    return v;
}

void read_scratch(const BootHandover& boot, const RamReader& read, Handover& out) {
    const u64 count = boot.scratch_bytes / sizeof(kho::ScratchArea);
    if (count == 0 || count > kScratchAreasMax || boot.scratch_bytes % sizeof(kho::ScratchArea) != 0) {
        out.warnings.push_back(fmt::format("scratch array of {} bytes", boot.scratch_bytes));
        return;
    }
    out.scratch_array = {boot.scratch, std::vector<u8>(boot.scratch_bytes)};
    if (!read(boot.scratch, out.scratch_array.bytes)) {
        out.warnings.push_back("scratch array is not in RAM");
        out.scratch_array.bytes.clear();
        return;
    }
    for (u64 i = 0; i < count; ++i) {
        kho::ScratchArea area;
        std::memcpy(&area, out.scratch_array.bytes.data() + i * sizeof(area), sizeof(area));
        out.scratch.push_back({area.addr, area.size});
    }
}

void read_subtrees(const Rules& rules, const RamReader& read, Handover& out) {
    const void* tree = out.root_fdt.bytes.data();
    int node = 0;
    fdt_for_each_subnode(node, tree, 0) {
        const char* name = fdt_get_name(tree, node, nullptr);
        const auto blob = native_u64(tree, node, rules.subtree_property);
        if (!blob) {
            out.warnings.push_back(fmt::format("subtree {} has no address", name));
            continue;
        }
        out.subtrees.push_back({name, {*blob}});
        std::vector<u8> bytes = read_fdt({*blob}, kBlobBytesMax, read);
        if (!bytes.empty()) out.sub_fdts.push_back({{*blob}, std::move(bytes)});
    }
}

void add_blocks(const kho::ChunkEntry& entry, u32 order, const std::vector<u8>& bitmap, const Geometry& g,
                Handover& out) {
    for (u64 word_at = 0; word_at + 8 <= bitmap.size(); word_at += 8) {
        u64 word;
        std::memcpy(&word, bitmap.data() + word_at, sizeof(word));
        for (; word != 0; word &= word - 1) {
            if (out.blocks.size() == kBlocksMax) return;
            const u64 bit = word_at * 8 + ctz(word);
            out.blocks.push_back({entry.phys_start + shl(bit, order + g.page_shift), {order}});
            out.pages += shl(1, order);
        }
    }
}

void read_chunk(const HandoverPiece& page, const Geometry& g, const Rules& rules, const RamReader& read,
                Handover& out) {
    kho::ChunkHeader header;
    std::memcpy(&header, page.bytes.data(), sizeof(header));
    u64 count = header.num_elms;
    if (count > kho::chunk_entries_max(g.page_size()) || header.order > 52) {
        out.warnings.push_back(fmt::format("chunk {:#x}: order {}, {} entries", page.phys.value, header.order, count));
        count = std::min<u64>(count, kho::chunk_entries_max(g.page_size()));
        if (header.order > 52) return;
    }
    const u64 bitmap_bytes = rules.bitmap_bytes != 0 ? rules.bitmap_bytes : g.page_size();
    for (u64 i = 0; i < count; ++i) {
        kho::ChunkEntry entry;
        std::memcpy(&entry, page.bytes.data() + sizeof(header) + i * sizeof(entry), sizeof(entry));
        HandoverPiece bitmap{entry.bitmap, std::vector<u8>(bitmap_bytes)};
        if (!read(entry.bitmap, bitmap.bytes)) {
            out.warnings.push_back(fmt::format("bitmap {:#x} is not in RAM", entry.bitmap.value));
            continue;
        }
        add_blocks(entry, header.order, bitmap.bytes, g, out);
        out.tracker.push_back(std::move(bitmap));
    }
}

void read_tracker(const Geometry& g, const Rules& rules, const RamReader& read, Handover& out) {
    const auto first = native_u64(out.root_fdt.bytes.data(), 0, kho::kMapProperty);
    if (!first) {
        out.warnings.push_back("no memory map");
        return;
    }
    if (rules.tracker == TrackerKind::kRadix) return read_radix({*first}, g, read, out);
    std::unordered_set<u64> seen;
    for (PhysAddr at{*first}; at.value != 0;) {
        if (!seen.insert(at.value).second || seen.size() > kChunksMax) {
            out.warnings.push_back(fmt::format("chunk list comes back to {:#x}", at.value));
            return;
        }
        HandoverPiece page{at, std::vector<u8>(g.page_size())};
        if (!read(at, page.bytes)) {
            out.warnings.push_back(fmt::format("chunk {:#x} is not in RAM", at.value));
            return;
        }
        std::memcpy(&at, page.bytes.data(), sizeof(at));
        out.tracker.push_back(page);
        read_chunk(page, g, rules, read, out);
        if (out.blocks.size() == kBlocksMax) {
            out.warnings.push_back(fmt::format("more than {} blocks; the rest is not looked at", kBlocksMax));
            return;
        }
    }
}

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

Handover read_handover(const BootHandover& boot, const Geometry& g, const Rules& rules, const RamReader& read) {
    Handover out;
    read_scratch(boot, read, out);
    out.root_fdt = {boot.fdt, read_fdt(boot.fdt, g.page_size(), read)};
    if (out.root_fdt.bytes.empty()) {
        out.warnings.push_back(fmt::format("no valid root FDT at {:#x}", boot.fdt.value));
        return out;
    }
    read_subtrees(rules, read, out);
    read_tracker(g, rules, read, out);
    return out;
}

std::string handover_hash(const BootHandover& boot, const Handover& handover, const Geometry& g,
                          const TouchedFrames& touched) {
    PieceHash hash;
    hash.add(Tag::kRootFdt, handover.root_fdt.phys, handover.root_fdt.bytes);
    for (const HandoverPiece& p : handover.sub_fdts) hash.add(Tag::kSubFdt, p.phys, p.bytes);
    for (const HandoverPiece& p : handover.tracker) hash.add(Tag::kTracker, p.phys, p.bytes);
    hash.add(Tag::kScratchArray, handover.scratch_array.phys, handover.scratch_array.bytes);
    hash.add(Tag::kBootRecord, boot.record_at, boot.record);
    std::vector<HandoverBlock> blocks = handover.blocks;
    std::sort(blocks.begin(), blocks.end(), [](const HandoverBlock& a, const HandoverBlock& b) {
        return a.phys != b.phys ? a.phys < b.phys : a.order < b.order;
    });
    for (const HandoverBlock& b : blocks) {
        const u64 bytes = shl(1, b.order.value + g.page_shift);
        hash.add(Tag::kPreserved, b.phys, {reinterpret_cast<const u8*>(&bytes), sizeof(bytes)});
        touched({b.phys, bytes}, [&](PhysAddr a, std::span<const u8> frame) { hash.add(Tag::kPreserved, a, frame); });
    }
    return hash.hex();
}

}  // namespace baton::sim
