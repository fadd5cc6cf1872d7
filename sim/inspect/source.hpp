// SPDX-License-Identifier: GPL-2.0-only
// Where a handover is read from: memory, and what the source knows about the machine and the handover in it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/geometry.hpp"
#include "sim/capture/capture.hpp"
#include "sim/handover/handover.hpp"
#include "sim/inspect/memory_image.hpp"

namespace baton::sim {

/// Something besides the handover that is worth a place in a memory map.
struct NamedRange {
    std::string name;
    PhysRange range;
    bool operator==(const NamedRange&) const = default;
};

struct Source {
    std::string name;  // as it was given
    std::string kind;  // "capture", "saved machine", "raw dump", "ELF dump"
    MemoryImage memory;
    std::optional<Isa> isa;
    std::optional<u32> page_shift;
    std::vector<PhysRange> ram;             // empty: not known
    std::vector<CaptureMapEntry> reserved;  // what the firmware keeps
    std::vector<NamedRange> image;          // kernel, initrd, …: what was put into scratch
    std::string generation;                 // stated; empty: not
    /// What the source says is handed over; fdt 0: it does not say.
    BootHandover stated;
    /// Where the boot protocol's data lies: zero page or device tree; first setup_data node.
    std::optional<PhysAddr> argument;
    std::optional<PhysAddr> setup_data;
    std::optional<PhysAddr> cmdline;
    std::optional<CaptureExpectation> expect;
    bool live = false;   // a kernel before its kexec: the scratch array is still the kernel's own, not a segment
    std::string remark;  // for people: who wrote the dump
    std::vector<Warning> warnings;
};

/// FILE@BASE: bytes of physical memory from BASE on.
struct RawPart {
    std::string file;
    PhysAddr base;
};
/// "mem.bin@0x40000000"; nothing if it is not of this form.
std::optional<RawPart> parse_raw_part(std::string_view text);

/// A capture's folder or its manifest, a saved machine, an ELF dump, or FILE@BASE[,FILE@BASE…]. Throws InputError.
Source open_source(const std::string& what);
/// Raw dumps side by side. Throws InputError, also if they overlap.
Source open_raw(const std::vector<RawPart>& parts);
Source open_capture(const std::filesystem::path& folder);
Source open_saved_machine(const std::filesystem::path& file);
Source open_elf(const std::filesystem::path& file);
/// The program headers and notes of an ELF dump of `size` bytes, read by `read`; `file` for messages. Adds to
/// `source.memory` through `add`. Throws InputError.
struct ElfReader {
    std::function<bool(u64 offset, std::span<u8>)> read;
    u64 size;
    std::function<void(PhysAddr at, u64 offset, u64 size)> add;
};
void read_elf(const ElfReader& elf, const std::string& file, Source& source);

}  // namespace baton::sim
