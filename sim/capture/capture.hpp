// SPDX-License-Identifier: GPL-2.0-only
// A handover in a folder: manifest.json says what lies where, beside it one file per segment of memory.
//
// Handovers of real kernels are kept like this (tests/data/linux-kho), and `baton export` writes ours so. A manifest
// is input from a person: everything is checked before anything is used, and what is wrong is an InputError with
// file:line:col. Nothing depends on the folder's name or on which capture it is; unknown keys are left alone.
//
//   arch                    "x86_64" or "aarch64"
//   generation              of the kernel that wrote it; may be missing
//   ram_base, mem_mb        the machine
//   memory_map              [[start, size, type]], of RAM of a machine with NUMA [start, size, type, node], and
//   `nodes`,
//                           how many there are: what the next kernel is told. May be missing
//   boot                    where the pieces of the boot protocol lie: boot_params, setup_data, cmdline, dtb_addr
//                           (addresses), initrd and kernel ([start, size]), dtb (a file, AArch64). All may be missing
//   kho_fdt, kho_fdt_size, scratch, scratch_len    what the boot protocol hands over; the size is the kernel's page
//   cmdline, name, note
//   segments                [{phys, size, file}] memory that is stored; a file may be sparse
//   patterned               [[phys, size]] memory whose content is pattern_word()
//   expect                  preserved [[phys, order]], sub_fdts [name]: what the receiving kernel found
//
// Numbers are JSON numbers or strings, decimal or "0x…".
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/geometry.hpp"

namespace baton::sim {

inline constexpr char kManifestName[] = "manifest.json";

/// What a patterned region holds at `at`, a multiple of 8: a function of the address alone.
constexpr u64 pattern_word(PhysAddr at) {
    const u64 x = (at.value ^ 0x4b484f4f5241434c) * 0x9e3779b97f4a7c15;
    return x ^ (x >> 29);
}

struct CaptureSegment {
    PhysRange range;
    std::string file;            // as the manifest names it, relative to the folder
    std::filesystem::path path;  // filled in by read_capture
};

struct CaptureMapEntry {
    PhysRange range;
    std::string type;  // "ram", "reserved", …
    u32 node = 0;
};

struct CaptureBoot {
    std::optional<PhysAddr> boot_params;
    std::optional<PhysAddr> setup_data;
    std::optional<PhysAddr> cmdline;
    std::optional<PhysAddr> dtb_addr;
    std::string dtb;  // file; empty: none
    PhysRange initrd;
    PhysRange kernel;
};

struct CaptureExpectation {
    std::vector<std::pair<PhysAddr, Order>> preserved;
    std::vector<std::string> sub_fdts;
};

struct Capture {
    std::string name;
    std::string note;
    Isa isa = Isa::kX86_64;
    std::string generation;  // empty: not stated
    PhysAddr ram_base;
    u64 ram_bytes = 0;  // 0: not stated
    std::vector<CaptureMapEntry> memory_map;
    u32 nodes = 0;  // NUMA nodes of the machine; 0: none are told of
    CaptureBoot boot;
    PhysAddr fdt;
    u64 fdt_size = 0;  // bytes; the page size of the kernel that wrote it
    PhysAddr scratch;
    u64 scratch_bytes = 0;
    std::string cmdline;
    std::vector<CaptureSegment> segments;  // ascending, disjoint
    std::vector<PhysRange> patterned;      // ascending, disjoint, apart from the segments
    std::optional<CaptureExpectation> expect;

    // Filled in by read_capture.
    std::filesystem::path folder;
    std::optional<PhysAddr> entry;     // first instruction of the next kernel, from entry_regs.hex
    std::optional<PhysAddr> argument;  // its argument: zero page or device tree, likewise

    u32 page_shift() const;
    /// Where RAM is: the map's "ram" entries, else [ram_base, +ram_bytes), else nothing is known. Ascending.
    std::vector<PhysRange> ram() const;
};

/// True for a folder that has a manifest.
bool is_capture(const std::filesystem::path& folder);

/// Reads the text of a manifest; `file` is for messages. Looks at no file. Throws InputError.
Capture parse_manifest(std::string_view text, const std::string& file);

/// Reads a folder's manifest and checks that every file is there, inside the folder and of its size. Throws InputError.
Capture read_capture(const std::filesystem::path& folder);

}  // namespace baton::sim
