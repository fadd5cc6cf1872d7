// SPDX-License-Identifier: GPL-2.0-only
// The machine's RAM: one sparse host mapping from physical 0 to the end of the last RAM range, and which frames of it
// were written.
//
// A host address is base + physical address, so kernels (platform::RamView), Unicorn and devices share it without
// translation. Holes are PROT_NONE: a missed check faults in the simulator instead of inventing memory. What is touched
// is paid for, nothing else: 16 TiB fit.
//
// Dirty frames have several consumers — snapshots, the state hash, reports of a step — at different rhythms. The bitmap
// that kernels mark (decision D2) is drained by `collect()` into a FrameSet of each DirtyClient and into `ever()`, the
// frames written since power-on; each client empties its own when it likes. No epochs, no order between clients; 50
// dirty frames cost 50 words ORed per client.
//
// A frame outside `ever()` holds the background byte, 0 unless a test chose another. So snapshots, hash and saved
// machines walk `ever()` and never RAM.
#pragma once

#include <concepts>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "sim/memory/frame_set.hpp"
#include "sim/native/target/platform_target.hpp"

namespace baton::sim {

class DirtyClient;
class PhysicalMemory;

/// Whoever writes RAM without PhysicalMemory hearing of it at once: a guest's CPU, which sets bits of the bitmap itself
/// and makes some writes without any (decision D2).
class DirtySource {
public:
    /// Called before dirty frames are collected: time to mark what was written since the last call.
    virtual void report_dirty(PhysicalMemory& memory) = 0;

protected:
    ~DirtySource() = default;
};

class PhysicalMemory {
public:
    /// RAM ends below this: 16 TiB of it and the holes of D21 fit.
    static constexpr u64 kAddressEnd = 32 * kTiB;

    /// One to RamView::kRangesMax ranges in any order, multiples of 4 KiB, not overlapping; touching ones are joined.
    /// Throws std::invalid_argument for others, std::system_error if the host has no address space left.
    explicit PhysicalMemory(std::span<const PhysRange> ram);
    PhysicalMemory(const PhysicalMemory&) = delete;
    PhysicalMemory& operator=(const PhysicalMemory&) = delete;
    ~PhysicalMemory() = default;

    /// Ascending, disjoint, not touching.
    std::span<const PhysRange> ranges() const { return ranges_; }
    u64 size_bytes() const;
    /// One more than the last frame number; frames in holes are counted.
    u64 frame_count() const { return ranges_.back().end().value >> kFrameShift; }
    bool is_ram(PhysRange range) const;
    /// What a native kernel gets: valid as long as this object.
    const platform::RamView& view() const { return view_; }

    // Access of the host, of devices and of page walkers. A false, nullptr or nullopt says "not all of this is RAM",
    // and nothing happened then. An empty range is RAM wherever it is.

    [[nodiscard]] bool read(PhysAddr from, std::span<u8> to) const;
    /// A write of a bus master: marks the frames dirty.
    [[nodiscard]] bool write(PhysAddr to, std::span<const u8> from);
    /// The bytes of a range, for reading.
    const u8* bytes(PhysRange range) const;
    /// The bytes of a range, for writing: marks the frames dirty. Write before the next collect().
    u8* claim(PhysRange range);
    template <std::unsigned_integral T>
    std::optional<T> load(PhysAddr from) const {
        const u8* p = bytes({from, sizeof(T)});
        if (p == nullptr) return std::nullopt;
        T value;
        std::memcpy(&value, p, sizeof(T));
        return value;
    }
    template <std::unsigned_integral T>
    [[nodiscard]] bool store(PhysAddr to, T value) {
        u8* p = claim({to, sizeof(T)});
        if (p != nullptr) std::memcpy(p, &value, sizeof(T));
        return p != nullptr;
    }

    // Whole frames, for what walks ever(); the frame must be RAM.

    const u8* frame(u64 number) const { return reinterpret_cast<const u8*>(view_.base) + (number << kFrameShift); }
    /// Replaces a frame and marks it dirty. A null `page` is a frame of background.
    void set_frame(u64 number, const u8* page);
    bool is_background(const u8* page) const;

    /// RAM as a test found it at power-on: every byte is `background`, no frame is dirty. Only before the first write;
    /// throws std::logic_error later. It touches all RAM.
    void fill_pattern(u8 background);
    u8 background() const { return background_; }

    /// Null: nobody. At most one; it must go before it dies.
    void set_dirty_source(DirtySource* source) { source_ = source; }
    /// Makes known what was set in the first `words` words of the bitmap without its summary. Bits of frames that are
    /// not RAM are dropped: whoever set them cannot be trusted.
    void take_up_dirty(u64 words);
    /// Marks the frames of those parts of a range that are RAM.
    void mark_ram(PhysRange range);
    /// Moves the dirty frames on to the clients and to ever().
    void collect();
    /// Frames written since power-on; collects first.
    const FrameSet& ever();

private:
    friend class DirtyClient;

    std::vector<PhysRange> ranges_;
    HostMapping mapping_;
    FrameSet dirty_;
    FrameSet ever_;
    platform::RamView view_;
    std::vector<DirtyClient*> clients_;
    DirtySource* source_ = nullptr;
    u8 background_ = 0;
};

/// One consumer of dirty frames. It begins with all of ever(), so a late client misses nothing.
class DirtyClient {
public:
    explicit DirtyClient(PhysicalMemory& memory);
    DirtyClient(const DirtyClient&) = delete;
    DirtyClient& operator=(const DirtyClient&) = delete;
    ~DirtyClient();

    /// Frames written since clear(); collects first.
    FrameSet& frames() {
        memory_.collect();
        return frames_;
    }
    void clear() { frames_.clear(); }

private:
    friend class PhysicalMemory;
    PhysicalMemory& memory_;
    FrameSet frames_;
};

}  // namespace baton::sim
