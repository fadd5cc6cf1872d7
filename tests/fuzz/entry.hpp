// SPDX-License-Identifier: GPL-2.0-only
// What the fuzzer feeds: everything that reads what a person, a kernel or chance may have written.
//
// The first byte of an input chooses: 0 a memory image (decoder, trees, radix tree, users, audit, all outputs), 1 an
// ELF dump, 2 a manifest. The layout of an image is ImageHeader, then extents {u64 address, u32 bytes, u32 kind} with
// the bytes behind each of kind 0; kind 1 is zeros, 2 the pattern. Anything is an input: what is missing is 0.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "sim/inspect/inspection.hpp"

namespace baton::fuzz {

enum class Mode : u8 { kImage, kElf, kManifest };

struct ImageHeader {
    u8 mode = 0;
    u8 page = 0;        // 0 … 2: 4K, 16K, 64K
    u8 generation = 0;  // 0: not stated; else an index into formats(), from 1
    u8 flags = 0;
    u32 scratch_bytes = 0;
    u64 fdt = 0;
    u64 scratch = 0;
    u64 boot = 0;  // setup_data or device tree
};
inline constexpr u8 kAArch64 = 1;
inline constexpr u8 kFind = 2;      // nothing is stated
inline constexpr u8 kRamKnown = 4;  // the extents of zeros are RAM

/// One input. Aborts on what must never be: an exception that is not InputError, a handover that differs from itself.
void run(std::span<const u8> input);

/// A capture as an input of mode kImage.
std::vector<u8> image_of(const sim::Capture& capture, u8 flags);

}  // namespace baton::fuzz
