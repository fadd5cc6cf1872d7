// SPDX-License-Identifier: GPL-2.0-only
#include "tests/fuzz/entry.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "sim/input_error.hpp"
#include "sim/inspect/diff.hpp"
#include "sim/inspect/report.hpp"

namespace baton::fuzz {
namespace {

inline constexpr u64 kExtentsMax = 256;

struct ExtentHeader {
    u64 at;
    u32 bytes;
    u32 kind;
};

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}

/// Takes a T from the front; what is missing is 0.
template <class T>
T take(std::span<const u8>& input) {
    T v{};
    const u64 n = std::min<u64>(sizeof(T), input.size());
    std::memcpy(static_cast<void*>(&v), input.data(), n);
    input = input.subspan(n);
    return v;
}

void add_extents(std::span<const u8> input, sim::Source& source, bool ram_known) {
    for (u64 i = 0; i < kExtentsMax && !input.empty(); ++i) {
        const auto e = take<ExtentHeader>(input);
        const PhysRange r{{e.at % sim::kPhysEnd}, std::min<u64>(e.bytes, sim::kPhysEnd - e.at % sim::kPhysEnd)};
        if (e.kind % 4 == 1) {
            source.memory.add_zeros(r);
            if (ram_known && !r.empty()) source.ram.push_back(r);
        } else if (e.kind % 4 == 2) {
            source.memory.add_pattern(r);
        } else {
            const std::span<const u8> bytes = input.first(std::min<u64>(r.size, input.size()));
            source.memory.add_bytes(r.start, bytes, nullptr);
            input = input.subspan(bytes.size());
        }
    }
    // As every source has it: ascending, apart.
    const sim::Coverage ram(std::move(source.ram));
    source.ram.assign(ram.ranges().begin(), ram.ranges().end());
    source.memory.seal();
}

void check(const sim::Inspection& i) {
    for (const sim::HandoverBlock& b : i.handover.blocks) {
        require(b.order.value <= sim::order_max(i.page_shift), "a block of an impossible order");
        require(
            b.phys.value < sim::kPhysEnd && (u64{1} << (b.order.value + i.page_shift)) <= sim::kPhysEnd - b.phys.value,
            "a block above physical memory");
    }
    u64 blocks = 0;
    for (const sim::HandoverBitmap& b : i.handover.bitmaps) blocks += b.blocks;
    require(blocks == i.handover.blocks.size(), "a block of no bitmap");
    require(!sim::inspection_text(i, true).empty() && !sim::inspection_text(i, false).empty(), "no text");
    require(sim::inspection_json(i).front() == '{', "no JSON");
    require(sim::inspection_svg(i).ends_with("</svg>\n"), "no picture");
    const sim::HandoverDiff same = sim::diff_handovers(i, i, false);
    require(same.equal(), "a handover differs from itself");
    require(!sim::diff_text(same, i, i, true).empty() && !sim::diff_json(same, i, i).empty(), "no diff");
}

void inspect(sim::Source source) {
    try {
        check(sim::inspect(std::move(source), {}));
    } catch (const sim::InputError&) {
    }
}

void run_image(std::span<const u8> input) {
    const auto h = take<ImageHeader>(input);
    sim::Source source;
    source.name = "image";
    source.kind = "capture";
    source.isa = (h.flags & kAArch64) != 0 ? Isa::kAArch64 : Isa::kX86_64;
    source.page_shift = 12 + h.page % 3 * 2;
    if (h.generation != 0) source.generation = sim::formats()[(h.generation - 1u) % sim::formats().size()].generation;
    if ((h.flags & kFind) == 0) {
        source.stated.fdt = {h.fdt};
        source.stated.fdt_size = u64{1} << *source.page_shift;
        source.stated.scratch = {h.scratch};
        source.stated.scratch_bytes = h.scratch_bytes;
    }
    if (h.boot != 0) (source.isa == Isa::kAArch64 ? source.argument : source.setup_data) = PhysAddr{h.boot};
    add_extents(input, source, (h.flags & kRamKnown) != 0);
    inspect(std::move(source));
}

void run_elf(std::span<const u8> file) {
    sim::Source source;
    source.name = "elf";
    source.kind = "ELF dump";
    const sim::ElfReader elf{[&](u64 offset, std::span<u8> to) {
                                 if (offset > file.size() || to.size() > file.size() - offset) return false;
                                 std::copy_n(file.data() + offset, to.size(), to.data());
                                 return true;
                             },
                             file.size(),
                             [&](PhysAddr at, u64 offset, u64 size) {
                                 require(offset <= file.size() && size <= file.size() - offset,
                                         "memory behind the file");
                                 source.memory.add_bytes(at, file.subspan(offset, size), nullptr);
                             }};
    try {
        sim::read_elf(elf, "elf", source);
    } catch (const sim::InputError&) {
        return;
    }
    source.memory.seal();
    inspect(std::move(source));
}

void run_manifest(std::span<const u8> text) {
    try {
        sim::parse_manifest({reinterpret_cast<const char*>(text.data()), text.size()}, "manifest.json");
    } catch (const sim::InputError& e) {
        require(*e.what() != '\0', "an error without words");
    }
}

template <class T>
void put(std::vector<u8>& out, const T& v) {
    const auto* p = reinterpret_cast<const u8*>(&v);
    out.insert(out.end(), p, p + sizeof(v));
}

}  // namespace

void run(std::span<const u8> input) {
    if (input.empty()) return;
    switch (static_cast<Mode>(input[0] % 3)) {
        case Mode::kImage: run_image(input); break;
        case Mode::kElf: run_elf(input.subspan(1)); break;
        case Mode::kManifest: run_manifest(input.subspan(1)); break;
    }
}

std::vector<u8> image_of(const sim::Capture& c, u8 flags) {
    ImageHeader h;
    h.page = static_cast<u8>((c.page_shift() - 12) / 2);
    h.flags = static_cast<u8>(flags | (c.isa == Isa::kAArch64 ? kAArch64 : 0));
    h.scratch_bytes = static_cast<u32>(c.scratch_bytes);
    h.fdt = c.fdt.value;
    h.scratch = c.scratch.value;
    if (c.boot.setup_data) h.boot = c.boot.setup_data->value;
    for (u64 i = 0; i < sim::formats().size(); ++i)
        if (sim::formats()[i].generation == c.generation) h.generation = static_cast<u8>(i + 1);
    std::vector<u8> out;
    put(out, h);
    for (const sim::CaptureSegment& s : c.segments) {
        std::ifstream in(s.path, std::ios::binary);
        std::vector<u8> bytes{std::istreambuf_iterator<char>(in), {}};
        while (bytes.size() > 8 && bytes.back() == 0) bytes.pop_back();  // zeros are what is missing, below
        put(out, ExtentHeader{s.range.start.value, static_cast<u32>(bytes.size()), 0});
        out.insert(out.end(), bytes.begin(), bytes.end());
    }
    for (const PhysRange& r : c.ram()) put(out, ExtentHeader{r.start.value, static_cast<u32>(r.size), 1});
    return out;
}

}  // namespace baton::fuzz
