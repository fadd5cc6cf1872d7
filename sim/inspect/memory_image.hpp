// SPDX-License-Identifier: GPL-2.0-only
// Physical memory as some source has it: extents of bytes, of files, of zeros, of a pattern; nothing between them.
//
// A capture stores a few pages, a dump all of RAM with holes, a saved machine the frames that were written: all are
// this. What is in no extent is absent, which is something else than zero.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/inspect/file_bytes.hpp"

namespace baton::sim {

class MemoryImage {
public:
    /// `owner` keeps the bytes alive.
    void add_bytes(PhysAddr at, std::span<const u8> bytes, std::shared_ptr<const void> owner);
    void add_file(PhysAddr at, std::shared_ptr<const FileBytes> file, u64 offset, u64 size);
    void add_zeros(PhysRange range);
    /// The content of sim/capture's patterned regions; whole words.
    void add_pattern(PhysRange range);

    struct Overlap {
        PhysRange first;
        PhysRange second;
    };
    /// Sorts the extents, after which the image can be read. Where two overlap the one that was added first counts; the
    /// first such pair is returned.
    std::optional<Overlap> seal();

    /// False, and `to` is undefined, if any of it is absent or cannot be read (any more). No bytes are always there.
    bool read(PhysAddr from, std::span<u8> to) const;
    bool holds(PhysRange range) const;
    /// Ascending, disjoint, not touching.
    std::vector<PhysRange> ranges() const;

    /// Calls back with all bytes that are stored, in blocks of at most kBlockBytes that begin at multiples of 4 KiB
    /// unless an extent does not, ascending; holes and generated content are left out. Ends early when `f` says false.
    static constexpr u64 kBlockBytes = 1 * kMiB;
    void for_each_data(const std::function<bool(PhysAddr, std::span<const u8>)>& f) const;

private:
    enum class Kind { kBytes, kFile, kZeros, kPattern };
    struct Extent {
        PhysRange range;
        Kind kind = Kind::kZeros;
        u64 offset = 0;  // in the bytes or the file
        const u8* bytes = nullptr;
        std::shared_ptr<const FileBytes> file;
        std::shared_ptr<const void> owner;
        u64 number = 0;  // in the order in which they were added
    };
    std::optional<Overlap> settle_overlaps(std::vector<Extent> given);
    bool read_extent(const Extent& e, u64 offset, std::span<u8> to) const;
    bool visit_extent(const Extent& e, std::vector<u8>& buffer,
                      const std::function<bool(PhysAddr, std::span<const u8>)>& f) const;
    std::vector<Extent>::const_iterator extent_of(PhysAddr a) const;

    std::vector<Extent> extents_;
};

}  // namespace baton::sim
