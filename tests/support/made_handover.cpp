// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/made_handover.hpp"

#include <libfdt.h>

#include <algorithm>
#include <cstring>

#include "tests/catch.hpp"

namespace baton::test {
namespace {

std::vector<u8> finished(std::vector<u8> tree) {
    REQUIRE(fdt_finish(tree.data()) == 0);
    tree.resize(fdt_totalsize(tree.data()));
    return tree;
}

std::vector<u8> begun(u64 room) {
    std::vector<u8> tree(room);
    REQUIRE(fdt_create(tree.data(), static_cast<int>(room)) == 0);
    REQUIRE(fdt_finish_reservemap(tree.data()) == 0);
    REQUIRE(fdt_begin_node(tree.data(), "") == 0);
    return tree;
}

void property(std::vector<u8>& tree, const char* name, u64 value) {
    REQUIRE(fdt_property(tree.data(), name, &value, sizeof(value)) == 0);
}

}  // namespace

MadeHandover::MadeHandover(const MadeSpec& spec) : spec_(spec), next_page_(spec.metadata) {
    root_ = page();
    own_pages_ = {root_};
    make_blobs();
    if (spec_.compatible == "kho-v1")
        make_chunks();
    else
        make_radix();
    make_root();
    for (u64 i = 0; i < spec_.scratch.size(); ++i) {
        write_u64(spec_.scratch_array + i * 16, spec_.scratch[i].start.value);
        write_u64(spec_.scratch_array + i * 16 + 8, spec_.scratch[i].size);
    }
}

PhysAddr MadeHandover::page() {
    const PhysAddr at = next_page_;
    next_page_ += u64{1} << spec_.page_shift;
    for (u64 f = 0; f < u64{1} << (spec_.page_shift - 12); ++f) frames[at.value / 4096 + f].resize(4096);
    return at;
}

void MadeHandover::write(PhysAddr at, std::span<const u8> bytes) {
    for (u64 i = 0; i < bytes.size(); ++i) {
        std::vector<u8>& frame = frames[(at.value + i) / 4096];
        frame.resize(4096);
        frame[(at.value + i) % 4096] = bytes[i];
    }
}

void MadeHandover::write_u64(PhysAddr at, u64 value) { write(at, {reinterpret_cast<const u8*>(&value), 8}); }

u64 MadeHandover::read_u64(PhysAddr at) {
    u64 v = 0;
    std::memcpy(&v, frames.at(at.value / 4096).data() + at.value % 4096, 8);
    return v;
}

std::vector<sim::HandoverBlock> MadeHandover::blocks() const {
    std::vector<sim::HandoverBlock> out = spec_.blocks;
    for (PhysAddr p : own_pages_) out.push_back({p, {0}});
    std::ranges::sort(out);
    return out;
}

void MadeHandover::make_chunks() {
    const u64 bits = spec_.bitmap_bytes * 8;
    std::map<u32, std::map<u64, std::vector<u64>>> orders;  // order, bitmap index, bits
    for (const sim::HandoverBlock& b : blocks()) {
        const u64 unit = b.phys.value >> (spec_.page_shift + b.order.value);
        orders[b.order.value][unit / bits].push_back(unit % bits);
    }
    const u64 room = ((u64{1} << spec_.page_shift) - 16) / 16;
    PhysAddr link{0};  // where the next chunk's address goes
    for (const auto& [order, bitmaps] : orders) {
        u64 used = room;
        PhysAddr chunk{0};
        for (const auto& [index, set] : bitmaps) {
            if (used == room) {
                chunk = page();
                if (link.value == 0)
                    map_ = chunk;
                else
                    write_u64(link, chunk.value);
                link = chunk;
                used = 0;
            }
            PhysAddr bitmap;
            if (spec_.bitmap_bytes == 512) {
                if (slab_.value % 4096 == 0) slab_ = page();
                bitmap = slab_;
                slab_ += 512;
            } else {
                bitmap = page();
            }
            std::vector<u8> bytes(spec_.bitmap_bytes);
            for (u64 bit : set) bytes[bit / 8] |= static_cast<u8>(1 << bit % 8);
            write(bitmap, bytes);
            write_u64(chunk + 16 + used * 16, (index * bits) << (order + spec_.page_shift));
            write_u64(chunk + 24 + used * 16, bitmap.value);
            ++used;
            write_u64(chunk + 8, u64{order} | used << 32);
        }
    }
}

void MadeHandover::make_radix() {
    // As in the table of kho.md §2.3: by hand for each page size.
    const u32 depth = spec_.page_shift == 12 ? 6 : spec_.page_shift == 14 ? 5 : 4;
    const u32 table_bits = spec_.page_shift - 3;
    const u32 leaf_bits = spec_.page_shift + 3;
    map_ = page();
    for (const sim::HandoverBlock& b : blocks()) {
        const u64 key =
            u64{1} << (64 - spec_.page_shift - b.order.value) | b.phys.value >> (spec_.page_shift + b.order.value);
        PhysAddr node = map_;
        for (u32 level = depth - 1; level >= 1; --level) {
            const u64 index = key >> ((level - 1) * table_bits + leaf_bits) & ((u64{1} << table_bits) - 1);
            if (read_u64(node + index * 8) == 0) write_u64(node + index * 8, page().value);
            node = {read_u64(node + index * 8)};
        }
        const u64 bit = key & ((u64{1} << leaf_bits) - 1);
        write_u64(node + bit / 64 * 8, read_u64(node + bit / 64 * 8) | u64{1} << bit % 64);
    }
}

void MadeHandover::make_blobs() {
    if (!spec_.regions.empty()) {
        std::vector<u8> tree = begun(u64{1} << spec_.page_shift);
        REQUIRE(fdt_property_string(tree.data(), "compatible", "memblock-v1") == 0);
        for (const sim::ReservedRegion& r : spec_.regions) {
            REQUIRE(fdt_begin_node(tree.data(), r.name.c_str()) == 0);
            REQUIRE(fdt_property_string(tree.data(), "compatible", "reserve-mem-v1") == 0);
            property(tree, "start", r.start.value);
            property(tree, "size", r.size);
            REQUIRE(fdt_end_node(tree.data()) == 0);
        }
        REQUIRE(fdt_end_node(tree.data()) == 0);
        blobs_.emplace_back("memblock", finished(tree));
    }
    if (spec_.compatible == "kho-v3" || spec_.compatible == "kho-v4") {
        std::vector<u8> metadata(73);
        metadata[0] = 1;
        std::memcpy(metadata.data() + 4, "7.1.0-made", 10);
        metadata[69] = 3;
        blobs_.emplace_back("kexec-metadata", metadata);
    }
    for (const auto& [name, bytes] : blobs_) {
        const PhysAddr at = page();
        write(at, bytes);
        blob_pages_.push_back(at);
        own_pages_.push_back(at);
    }
}

void MadeHandover::make_root() {
    const bool v1 = spec_.compatible == "kho-v1";
    const bool sizes = spec_.compatible == "kho-v3" || spec_.compatible == "kho-v4";
    std::vector<u8> tree = begun(u64{1} << spec_.page_shift);
    REQUIRE(fdt_property_string(tree.data(), "compatible", spec_.compatible.c_str()) == 0);
    property(tree, "preserved-memory-map", map_.value);
    if (!spec_.edited_root) {
        for (u64 i = 0; i < blobs_.size(); ++i) {
            REQUIRE(fdt_begin_node(tree.data(), blobs_[i].first.c_str()) == 0);
            property(tree, v1 ? "fdt" : "preserved-data", blob_pages_[i].value);
            if (sizes) property(tree, "blob-size", blobs_[i].second.size());
            REQUIRE(fdt_end_node(tree.data()) == 0);
        }
    }
    REQUIRE(fdt_end_node(tree.data()) == 0);
    tree = finished(tree);
    if (spec_.edited_root) {
        std::vector<u8> edited(u64{1} << spec_.page_shift);
        REQUIRE(fdt_open_into(tree.data(), edited.data(), static_cast<int>(edited.size())) == 0);
        for (u64 i = 0; i < blobs_.size(); ++i) {
            const int node = fdt_add_subnode(edited.data(), 0, blobs_[i].first.c_str());
            REQUIRE(node > 0);
            const u64 size = blobs_[i].second.size();
            REQUIRE(fdt_setprop(edited.data(), node, v1 ? "fdt" : "preserved-data", &blob_pages_[i].value, 8) == 0);
            if (sizes) REQUIRE(fdt_setprop(edited.data(), node, "blob-size", &size, 8) == 0);
        }
        REQUIRE(fdt_pack(edited.data()) == 0);
        edited.resize(fdt_totalsize(edited.data()));
        tree = edited;
    }
    write(root_, tree);
}

sim::BootHandover MadeHandover::boot() const {
    sim::BootHandover out;
    out.fdt = root_;
    out.fdt_size = u64{1} << spec_.page_shift;
    out.scratch = spec_.scratch_array;
    out.scratch_bytes = spec_.scratch.size() * 16;
    return out;
}

sim::Source MadeHandover::source(bool stated) const {
    sim::Source out;
    out.name = "made";
    out.kind = stated ? "capture" : "raw dump";
    if (stated) {
        out.stated = boot();
        out.page_shift = spec_.page_shift;
    }
    for (const auto& [frame, bytes] : frames) out.memory.add_bytes({frame * 4096}, bytes, nullptr);
    out.memory.seal();
    return out;
}

}  // namespace baton::test
