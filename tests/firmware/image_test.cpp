// SPDX-License-Identifier: GPL-2.0-only
// Image files as they are built: that their headers tell the truth, and that the linked kernels keep the rules that no
// compiler checks (decisions D4, D14, D35).
#include <elf.h>
#include <xxhash.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "firmware/mkimage/elf_file.hpp"
#include "firmware/mkimage/filler.hpp"
#include "model/bits.hpp"
#include "model/kexec/purgatory.hpp"
#include "sim/image/image_file.hpp"
#include "tests/catch.hpp"

namespace baton::test {
namespace {

using sim::ImageFile;

std::filesystem::path folder_of(const Geometry& g) { return std::filesystem::path(BATON_IMAGES) / g.name; }
// Hosts without its compiler have filler for an ISA, and no ELF file (decision D24); never for their own.
bool has_guest(const Geometry& g) {
    const bool there = std::filesystem::exists(folder_of(g) / "baton.elf");
    if (g.isa == Isa::kX86_64) REQUIRE(there);
    return there;
}

template <class T>
T at(std::span<const u8> bytes, u64 offset) {
    REQUIRE(offset + sizeof(T) <= bytes.size());
    T v;
    std::memcpy(&v, bytes.data() + offset, sizeof(T));
    return v;
}

std::vector<u8> bytes_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("image: every geometry has one, laid out as model/image_header.hpp says") {
    for (const Geometry& g : kGeometries) {
        const ImageFile file = ImageFile::load(folder_of(g) / "baton.img");  // checks sizes and the text's hash
        CAPTURE(std::string(g.name));
        REQUIRE(file.geometry() == g.id);
        const ImageHeader h = file.header();
        CHECK(h.file_size == file.payload().size());
        CHECK(h.file_size <= kKernelOffset);
        CHECK(h.text_offset == 0x1000);
        CHECK(h.relocate_size <= 2048);
        CHECK(h.relocate_size > 100);
        CHECK(is_aligned(h.relocate_offset, 4096));
        // What is written must not share a page with text, or the kernel could not write it.
        CHECK(align_up(h.text_offset + h.text_size, g.page_size()) <= kKernelOffset);
    }
}

TEST_CASE("image: the labels of machine code are inside it, in the order in which it runs") {
    for (const Geometry& g : kGeometries) {
        CAPTURE(std::string(g.name));
        const ImageFile file = ImageFile::load(folder_of(g) / "baton.img");
        const ImageHeader h = file.header();
        if (!has_guest(g)) {
            for (const u32 label : h.labels) CHECK(label == 0);
            continue;
        }
        CHECK(h.relocate_offset >= h.text_offset);
        CHECK(h.relocate_offset + h.relocate_size <= h.text_offset + h.text_size);
        CHECK(h.labels[kLabelRelocateStart] > 0);
        for (const u32 label : {kLabelRelocateStart, kLabelRelocateWord, kLabelRelocatePage})
            CHECK(h.labels[label] < h.labels[kLabelRelocateDone]);
        CHECK(h.labels[kLabelRelocateDone] < h.relocate_size);
        if (g.isa != Isa::kX86_64) {
            CHECK(h.purgatory_size == 0);
            continue;
        }
        const auto blob = file.payload().subspan(h.purgatory_offset, h.purgatory_size);
        const auto p = at<kexec::PurgatoryHeader>(blob, 0);
        CHECK(p.magic == kexec::kPurgatoryMagic);
        CHECK(p.size == h.purgatory_size);
        CHECK(p.size == 0x5000);  // specs/boot.md §2
        CHECK(p.code_xxh3 ==
              XXH3_64bits(blob.data() + kexec::kPurgatoryEntryOffset, p.code_end - kexec::kPurgatoryEntryOffset));
        CHECK(h.labels[kLabelPurgatoryStart] == kexec::kPurgatoryEntryOffset);
        CHECK(h.labels[kLabelPurgatoryRegion] > h.labels[kLabelPurgatoryStart]);
        CHECK(h.labels[kLabelPurgatoryLoop] < p.code_end);
        CHECK(h.labels[kLabelPurgatoryDone] < p.code_end);
        CHECK(p.regions >= p.code_end);
    }
}

TEST_CASE("image: the linked kernel has no static data, and no segment is writable and executable") {
    for (const Geometry& g : kGeometries) {
        if (!has_guest(g)) continue;
        CAPTURE(std::string(g.name));
        const std::vector<u8> elf = bytes_of(folder_of(g) / "baton.elf");
        const auto header = at<Elf64_Ehdr>(elf, 0);
        u32 executable = 0;
        for (u32 i = 0; i < header.e_phnum; ++i) {
            const auto segment = at<Elf64_Phdr>(elf, header.e_phoff + i * sizeof(Elf64_Phdr));
            CHECK((segment.p_flags & (PF_W | PF_X)) != (PF_W | PF_X));
            executable += (segment.p_flags & PF_X) != 0;
        }
        CHECK(executable == 1);
        const auto names = at<Elf64_Shdr>(elf, header.e_shoff + header.e_shstrndx * sizeof(Elf64_Shdr));
        u32 seen = 0;
        for (u32 i = 0; i < header.e_shnum; ++i) {
            const auto section = at<Elf64_Shdr>(elf, header.e_shoff + i * sizeof(Elf64_Shdr));
            const std::string name = reinterpret_cast<const char*>(elf.data() + names.sh_offset + section.sh_name);
            CAPTURE(name);
            seen += name == ".text";
            const bool empty = name == ".data" || name == ".init_array" || name == ".tdata" || name == ".rela.dyn";
            if (empty) CHECK(section.sh_size == 0);
            if ((section.sh_flags & SHF_TLS) != 0) CHECK(section.sh_size == 0);
        }
        CHECK(seen == 1);
    }
}

TEST_CASE("image: the payload is what the ELF file loads, but for headers, labels and the purgatory") {
    for (const Geometry& g : kGeometries) {
        if (!has_guest(g)) continue;
        CAPTURE(std::string(g.name));
        const ImageFile file = ImageFile::load(folder_of(g) / "baton.img");
        const firmware::ElfFile elf(folder_of(g) / "baton.elf");
        const ImageHeader h = file.header();
        const auto text = file.payload().subspan(h.text_offset, h.text_size);
        const u64 start = g.kernel_text_base + h.text_offset;
        CHECK(elf.loaded(start, start + h.text_size) == firmware::Bytes(text.begin(), text.end()));
        CHECK(elf.symbol("kernel_object") == g.kernel_text_base + kKernelOffset);
        CHECK_THROWS_AS(elf.symbol("nowhere"), firmware::ElfError);
    }
}

TEST_CASE("image: what is no ELF file is refused, as is a truncated one") {
    const Geometry& x86 = geometry_of(GeometryId::kX86_64);
    CHECK_THROWS_AS(firmware::ElfFile(folder_of(x86) / "baton.img"), firmware::ElfError);
    std::vector<u8> elf = bytes_of(folder_of(x86) / "baton.elf");
    elf.resize(elf.size() / 2);
    const std::filesystem::path half = std::filesystem::temp_directory_path() / "baton_half.elf";
    std::ofstream(half, std::ios::binary)
        .write(reinterpret_cast<const char*>(elf.data()), static_cast<i64>(elf.size()));
    CHECK_THROWS_AS(firmware::ElfFile(half), firmware::ElfError);
    std::filesystem::remove(half);
}

TEST_CASE("image: filler is a valid image without machine code, the same every time, different for each geometry") {
    std::vector<firmware::Bytes> seen;
    for (const Geometry& g : kGeometries) {
        CAPTURE(std::string(g.name));
        const firmware::Bytes bytes = firmware::build_image_file(g, firmware::filler_kernel(g));
        CHECK(bytes == firmware::build_image_file(g, firmware::filler_kernel(g)));
        const ImageFile file = ImageFile::parse(bytes, "filler");
        for (const u32 label : file.header().labels) CHECK(label == 0);
        for (const firmware::Bytes& other : seen) CHECK(other != bytes);
        seen.push_back(bytes);
    }
}

}  // namespace baton::test
