// SPDX-License-Identifier: GPL-2.0-only
// Handovers made by hand, at any address, page size and generation: what the decoder is held against where no kernel
// has left a capture. Written from the specification alone (kho.md §2), sharing nothing with kernels or decoder.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "sim/inspect/inspection.hpp"

namespace baton::test {

struct MadeSpec {
    std::string compatible = "kho-v1";
    u32 page_shift = 12;
    u64 bitmap_bytes = 4096;  // chunk lists
    PhysAddr metadata;        // pages from here on
    PhysAddr scratch_array;   // inside one of `scratch`
    std::vector<PhysRange> scratch;
    std::vector<sim::HandoverBlock> blocks;
    std::vector<sim::ReservedRegion> regions;  // the blocks must cover them
    bool edited_root = false;                  // as 6.19 and later leave the root FDT
};

class MadeHandover {
public:
    explicit MadeHandover(const MadeSpec& spec);

    /// All blocks: those of the spec and the pages of root FDT and blobs. Ascending.
    std::vector<sim::HandoverBlock> blocks() const;
    PhysAddr root() const { return root_; }
    PhysAddr map() const { return map_; }
    /// A source that states the addresses, or nothing at all.
    sim::Source source(bool stated) const;
    sim::BootHandover boot() const;

    /// Memory, by frame of 4 KiB; a test may change it.
    std::map<u64, std::vector<u8>> frames;
    void write(PhysAddr at, std::span<const u8> bytes);
    void write_u64(PhysAddr at, u64 value);
    u64 read_u64(PhysAddr at);

private:
    PhysAddr page();
    void make_chunks();
    void make_radix();
    void make_blobs();
    void make_root();

    MadeSpec spec_;
    PhysAddr next_page_;
    PhysAddr slab_;  // of 512-byte bitmaps
    PhysAddr root_;
    PhysAddr map_;
    std::vector<std::pair<std::string, std::vector<u8>>> blobs_;
    std::vector<PhysAddr> blob_pages_;
    std::vector<PhysAddr> own_pages_;  // preserved: root FDT and blobs
};

}  // namespace baton::test
