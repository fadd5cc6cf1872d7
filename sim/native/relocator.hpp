// SPDX-License-Identifier: GPL-2.0-only
// The declared C++ twin of the machine code between two kernels (decision D7): relocation, purgatory, image entry.
//
// It runs where the machine code would, with the same schedule points, and consumes what the machine code consumes: the
// first word of the entry list and RAM. Addresses that are not RAM end in platform::page_fault, which the runner
// reports as a triple fault, because at this stage no kernel could handle it.
#pragma once

#include "model/geometry.hpp"
#include "model/kexec/purgatory.hpp"
#include "model/platform.hpp"
#include "sim/services.hpp"

namespace baton::sim {

/// Where the CPU goes next.
struct Entry {
    PhysAddr address;  // of the next instruction
    u64 argument = 0;  // rsi or x0
};

/// Walks the entry list and copies (specs/kexec.md §7.4, §11.4). Returns the address and argument to continue with.
Entry relocate(Isa isa, const platform::Jump& jump);

/// x86-64: hashes the regions its table names and compares (specs/kexec.md §6). On success the entry of the kernel;
/// otherwise a fault: kPurgatoryLoop, or kImageCorrupted when no intact purgatory lies at `entry`.
std::expected<Entry, Fault> run_purgatory(const Entry& entry);

/// Whether the purgatory whose first instruction is at `entry` is what the load put there: kImageCorrupted if not.
std::expected<kexec::PurgatoryHeader, Fault> check_purgatory(PhysAddr entry);

/// The image at an entry address, checked against its own header (decision D11).
struct FoundImage {
    PhysAddr image;
    PhysAddr header;
    u64 argument = 0;
    u64 file_size = 0;
};
std::expected<FoundImage, Fault> check_image(Isa isa, const Entry& entry);
/// check_image, and the schedule point and the work of its decompressor.
std::expected<FoundImage, Fault> find_image(Isa isa, const Entry& entry);

/// What `find_image` and `run_purgatory` found wrong: Fault::args[1] of kImageCorrupted.
enum ImageCheck : u64 {
    kImageMagicWrong = 1,
    kImageIsaWrong,
    kImageFieldsWrong,
    kImageGenerationUnknown,
    kImageTextCorrupted,
    kPurgatoryMagicWrong,
    kPurgatoryCodeCorrupted,
};
std::string_view describe(ImageCheck check);

}  // namespace baton::sim
