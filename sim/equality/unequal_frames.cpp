// SPDX-License-Identifier: GPL-2.0-only
#include "sim/equality/unequal_frames.hpp"

#include <algorithm>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/kexec/purgatory.hpp"
#include "sim/machine.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kStackBytes = 16 * kKiB;

}  // namespace

std::string_view name(Unequal why) {
    constexpr std::string_view kNames[] = {"image data", "boot stack", "kernel stack", "control page", "purgatory"};
    return kNames[static_cast<u32>(why)];
}

void UnequalFrames::pass(const Machine& machine, Site site, u64 arg0, u64 arg1) {
    const u64 page = machine.geometry().page_size();
    const Kernel* const k = machine.kernel();
    switch (site) {
        case Site::kKaslrChoose:
        case Site::kKernelEntry: return enter(machine, {arg0});
        case Site::kKaslrCopy: return move({arg1}, {arg0}, align_down(file_size(machine, {arg0}), kFrameSize));
        case Site::kBootMemmap:
            if (k != nullptr) add({k->stack, align_up(kStackBytes, page)}, Unequal::kKernelStack);
            return;
        case Site::kRelocateStart:
            if (k != nullptr && machine.geometry().isa == Isa::kX86_64)
                add({k->kexec.image.control_code_page, page}, Unequal::kControlPage);
            return;
        case Site::kRelocatePage: return relocate(machine, {arg0}, {arg1});
        case Site::kPurgatoryStart: {
            kexec::PurgatoryHeader header{};
            const PhysAddr blob = PhysAddr{arg0} - kexec::kPurgatoryEntryOffset;
            if (machine.read(blob, {reinterpret_cast<u8*>(&header), sizeof(header)}) && header.size <= kImageSize)
                add({blob, header.size}, Unequal::kPurgatory);
            return;
        }
        default: return;
    }
}

u64 UnequalFrames::file_size(const Machine& machine, PhysAddr image) const {
    const bool x86 = machine.geometry().isa == Isa::kX86_64;
    ImageHeader header{};
    machine.read(image + (x86 ? kImageHeaderOffsetX86 : kImageHeaderOffsetArm),
                 {reinterpret_cast<u8*>(&header), sizeof(header)});
    return std::min(header.file_size, kKernelOffset);
}

// The room of the Kernel object was cleared. A kernel that moved itself is entered twice, in two places.
void UnequalFrames::enter(const Machine& machine, PhysAddr image) {
    const u64 data = align_up(file_size(machine, image), kFrameSize);
    add({image + data, kKernelOffset - data}, Unequal::kImageData);
    add({image + kBootStackOffset, kImageSize - kBootStackOffset}, Unequal::kBootStack);
    for (u64 o = kKernelOffset; o < kBootStackOffset; o += kFrameSize) frames_.erase((image + o).value >> kFrameShift);
}

void UnequalFrames::add(PhysRange range, Unequal why) {
    for (u64 f = range.start.value >> kFrameShift; f < align_up(range.end().value, kFrameSize) >> kFrameShift; ++f)
        frames_[f] = why;
}

void UnequalFrames::move(PhysAddr to, PhysAddr from, u64 bytes) {
    for (u64 o = 0; o < bytes; o += kFrameSize) {
        const u64 target = (to + o).value >> kFrameShift;
        const auto found = frames_.find((from + o).value >> kFrameShift);
        if (found == frames_.end())
            frames_.erase(target);
        else
            frames_[target] = found->second;
    }
}

// The order of sim/native/relocator.cpp.
void UnequalFrames::relocate(const Machine& machine, PhysAddr to, PhysAddr from) {
    const u64 page = machine.geometry().page_size();
    const Kernel* const k = machine.kernel();
    if (!machine.last_jump_swapped() || k == nullptr) return move(to, from, page);
    const PhysAddr swap = k->kexec.image.swap_page;
    move(swap, from, page);
    move(from, to, page);
    move(to, swap, page);
}

std::vector<UnequalRange> UnequalFrames::ranges() const {
    std::vector<UnequalRange> all;
    for (const auto& [frame, why] : frames_) {
        const PhysAddr start{frame << kFrameShift};
        if (!all.empty() && all.back().why == why && all.back().range.end() == start)
            all.back().range.size += kFrameSize;
        else
            all.push_back({{start, kFrameSize}, why});
    }
    return all;
}

}  // namespace baton::sim
