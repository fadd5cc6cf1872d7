// SPDX-License-Identifier: GPL-2.0-only
#include "sim/boot/captured.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

#include "model/kho/abi.hpp"
#include "sim/boot/captured_parts.hpp"
#include "sim/handover/handover.hpp"
#include "sim/input_error.hpp"

namespace baton::sim {
namespace boot_loader {

namespace {

inline constexpr u64 kScratchAreasMax = 4096;

// Frames that hold what they hold anyway are left alone, so that RAM stays sparse.
void put_frames(PhysicalMemory& memory, const std::string& what, PhysAddr at, std::span<const u8> bytes) {
    const auto untouched = [&](std::span<const u8> piece) {
        return std::ranges::all_of(piece, [&](u8 b) { return b == memory.background(); });
    };
    for (u64 done = 0; done < bytes.size();) {
        const u64 in_frame = kFrameSize - (at.value + done) % kFrameSize;
        const auto piece = bytes.subspan(done, std::min<u64>(in_frame, bytes.size() - done));
        if (!untouched(piece)) put(memory, what, at + done, piece);
        done += piece.size();
    }
}

void put_file(PhysicalMemory& memory, const CaptureSegment& segment) {
    std::ifstream in(segment.path, std::ios::binary);
    std::vector<u8> buffer(std::min<u64>(segment.range.size, kMiB));
    for (u64 done = 0; done < segment.range.size;) {
        const u64 n = std::min<u64>(buffer.size(), segment.range.size - done);
        if (!in.read(reinterpret_cast<char*>(buffer.data()), static_cast<std::streamsize>(n)))
            throw InputError(segment.path.string(), fmt::format("cannot be read: {}", std::strerror(errno)));
        put_frames(memory, segment.file, segment.range.start + done, std::span(buffer).first(n));
        done += n;
    }
}

// pattern_word() of whole words; a region that begins or ends inside one gets its part of it.
void put_pattern(PhysicalMemory& memory, PhysRange region) {
    std::vector<u8> frame(kFrameSize);
    for (PhysAddr at = align_down(region.start, kFrameSize); at < region.end(); at += kFrameSize) {
        for (u64 i = 0; i < kFrameSize; i += sizeof(u64)) {
            const u64 word = pattern_word(at + i);
            std::memcpy(frame.data() + i, &word, sizeof(word));
        }
        const PhysAddr from = std::max(at, region.start);
        const PhysAddr to = std::min(at + kFrameSize, region.end());
        put(memory, "patterned region", from, std::span(frame).subspan(from - at, to - from));
    }
}

}  // namespace

CapturedJob::CapturedJob(const MachineMap& on_map, PhysicalMemory& in_memory, const Capture& of, const ImageFile& with)
    : map(on_map), memory(in_memory), capture(of), image(with), room(on_map, kFrameSize) {
    place_memory();
    find_scratch();
    take_what_is_known();
}

void CapturedJob::place_memory() {
    for (const PhysRange& r : capture.patterned) put_pattern(memory, r);
    for (const CaptureSegment& s : capture.segments) put_file(memory, s);
}

void CapturedJob::find_scratch() {
    const u64 count = std::min(capture.scratch_bytes / sizeof(kho::ScratchArea), kScratchAreasMax);
    for (u64 i = 0; i < count; ++i) {
        kho::ScratchArea area{};
        if (!memory.read(capture.scratch + i * sizeof(area), {reinterpret_cast<u8*>(&area), sizeof(area)})) return;
        const PhysRange range{area.addr, area.size};
        if (!range.empty() && range.end() > range.start) scratch.push_back(range);
    }
}

// Everything a kernel may still want from what was captured. Blocks come from the manifest and from the tracker: either
// may know more than the other.
void CapturedJob::take_what_is_known() {
    for (const CaptureSegment& s : capture.segments) room.take(s.range);
    for (const PhysRange& r : capture.patterned) room.take(r);
    const Geometry& g = geometry_of(image.geometry());
    if (capture.expect)
        for (const auto& [at, order] : capture.expect->preserved) room.take({at, g.bytes_of(order)});
    const BootHandover boot{.fdt = capture.fdt,
                            .fdt_size = capture.fdt_size,
                            .scratch = capture.scratch,
                            .scratch_bytes = capture.scratch_bytes};
    const RamReader reader = [this](PhysAddr a, std::span<u8> bytes) { return memory.read(a, bytes); };
    const auto generation = static_cast<Generation>(image.header().generation);
    for (const HandoverBlock& b : read_handover(boot, g, rules_for(generation), reader).blocks) {
        const PhysRange block{b.phys, g.bytes_of(b.order)};
        if (block.end() > block.start) room.take(block);
    }
    room.take(capture.boot.initrd);
}

std::optional<PhysAddr> CapturedJob::in_scratch(u64 size, u64 align, PhysAddr wanted) const {
    std::optional<PhysAddr> best;
    const auto distance = [&](PhysAddr a) { return a > wanted ? a - wanted : wanted - a; };
    const auto consider = [&](std::optional<PhysAddr> at) {
        if (at && (!best || distance(*at) < distance(*best))) best = at;
    };
    for (const PhysRange& area : scratch) {
        consider(room.lowest(size, align, std::max(area.start, wanted), area.end()));
        consider(room.highest(size, align, area.start, std::min(area.end(), wanted + size)));
    }
    return best;
}

PhysAddr CapturedJob::place(std::string_view what, u64 size, u64 align, std::optional<PhysAddr> wanted) {
    const bool usable = wanted && is_aligned(*wanted, align) && room.is_free({*wanted, size});
    const PhysAddr near = wanted.value_or(scratch.empty() ? PhysAddr{} : scratch.front().end());
    const auto at = usable ? wanted : in_scratch(size, align, near);
    if (!at)
        throw LoaderError(fmt::format("the {} ({} KiB) fits into none of the {} scratch areas of this capture", what,
                                      div_round_up(size, kKiB), scratch.size()));
    if (wanted && !usable)
        notes.push_back(fmt::format("the {} lies at {:#x}, not at {:#x}", what, at->value, wanted->value));
    room.take({*at, size});
    return *at;
}

PhysRange CapturedJob::place_image() {
    const u64 align = geometry_of(image.geometry()).kernel_align;
    const u64 size = image.header().image_size;
    std::optional<PhysAddr> wanted;
    if (capture.entry) wanted = *capture.entry - (map.isa == Isa::kX86_64 ? kEntryOffsetX86 : 0);
    if (!wanted && !capture.boot.kernel.empty()) wanted = capture.boot.kernel.start;
    // A kernel outside scratch would not be a kexec's.
    const auto inside = [&](const PhysRange& area) { return area.contains(PhysRange{*wanted, size}); };
    if (wanted && std::ranges::none_of(scratch, inside)) {
        notes.push_back(fmt::format("the captured kernel at {:#x} is not in scratch", wanted->value));
        wanted.reset();
    }
    const PhysAddr at = place("kernel", size, align, wanted);
    put(memory, "kernel", at, image.payload());
    return {at, size};
}

}  // namespace boot_loader

CapturedBoot load_captured(const MachineMap& map, PhysicalMemory& memory, const Capture& capture,
                           const ImageFile& image, std::optional<std::string_view> command_line) {
    if (capture.isa != map.isa || image.isa() != map.isa)
        throw LoaderError("capture, image and machine are not of one ISA");
    const Geometry& g = geometry_of(image.geometry());
    if (capture.page_shift() != g.page_shift)
        throw LoaderError(fmt::format("the capture is of a kernel with {} KiB pages, the image has {} KiB",
                                      shl(1, capture.page_shift()) / kKiB, g.page_size() / kKiB));
    boot_loader::CapturedJob job(map, memory, capture, image);
    CapturedBoot out;
    out.loaded = map.isa == Isa::kX86_64 ? boot_loader::enter_captured_x86_64(job, command_line)
                                         : boot_loader::enter_captured_aarch64(job, command_line);
    out.notes = std::move(job.notes);
    return out;
}

}  // namespace baton::sim
