// SPDX-License-Identifier: GPL-2.0-only
// fuzz_seeds CAPTURES FOLDER: writes inputs for the fuzzer into FOLDER, made of all captures below CAPTURES.
#include <elf.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/entry.hpp"

namespace fs = std::filesystem;
using namespace baton;

namespace {

void write(const fs::path& path, const std::vector<u8>& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// The stored segments as an ELF dump.
std::vector<u8> elf_of(const sim::Capture& c) {
    Elf64_Ehdr h{};
    std::memcpy(h.e_ident, ELFMAG, SELFMAG);
    h.e_ident[EI_CLASS] = ELFCLASS64;
    h.e_ident[EI_DATA] = ELFDATA2LSB;
    h.e_type = ET_CORE;
    h.e_machine = c.isa == Isa::kX86_64 ? EM_X86_64 : EM_AARCH64;
    h.e_phoff = sizeof(h);
    h.e_phentsize = sizeof(Elf64_Phdr);
    h.e_phnum = static_cast<u16>(c.segments.size());
    std::vector<u8> out = {static_cast<u8>(fuzz::Mode::kElf)};
    std::vector<u8> headers;
    std::vector<u8> data;
    for (const sim::CaptureSegment& s : c.segments) {
        Elf64_Phdr p{};
        p.p_type = PT_LOAD;
        p.p_offset = sizeof(h) + c.segments.size() * sizeof(p) + data.size();
        p.p_paddr = s.range.start.value;
        p.p_filesz = p.p_memsz = s.range.size;
        std::ifstream in(s.path, std::ios::binary);
        data.insert(data.end(), std::istreambuf_iterator<char>(in), {});
        headers.insert(headers.end(), reinterpret_cast<u8*>(&p), reinterpret_cast<u8*>(&p + 1));
    }
    out.insert(out.end(), reinterpret_cast<u8*>(&h), reinterpret_cast<u8*>(&h + 1));
    out.insert(out.end(), headers.begin(), headers.end());
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::fprintf(stderr, "usage: fuzz_seeds CAPTURES FOLDER\n"), 2;
    const fs::path to(argv[2]);
    fs::create_directories(to);
    for (const auto& entry : fs::directory_iterator(argv[1])) {
        if (!sim::is_capture(entry.path())) continue;
        const sim::Capture c = sim::read_capture(entry.path());
        const std::string name = entry.path().filename().string();
        write(to / (name + ".image"), fuzz::image_of(c, fuzz::kRamKnown));
        write(to / (name + ".find"), fuzz::image_of(c, fuzz::kFind));
        write(to / (name + ".elf"), elf_of(c));
        std::ifstream in(entry.path() / sim::kManifestName, std::ios::binary);
        std::vector<u8> manifest = {static_cast<u8>(fuzz::Mode::kManifest)};
        manifest.insert(manifest.end(), std::istreambuf_iterator<char>(in), {});
        write(to / (name + ".manifest"), manifest);
    }
}
