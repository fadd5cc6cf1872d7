// SPDX-License-Identifier: GPL-2.0-only
#include "firmware/mkimage/elf_file.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace baton::firmware {

ElfFile::ElfFile(const std::filesystem::path& path) : name_(path.string()) {
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    if (!in && !in.eof()) throw ElfError(fmt::format("{}: cannot be read", name_));
    const auto header = at<Elf64_Ehdr>(0);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB)
        throw ElfError(fmt::format("{}: not a 64-bit little-endian ELF file", name_));
    read_symbols();
}

template <class T>
T ElfFile::at(u64 offset) const {
    if (offset > bytes_.size() || sizeof(T) > bytes_.size() - offset)
        throw ElfError(fmt::format("{}: truncated", name_));
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
}

void ElfFile::read_symbols() {
    const auto header = at<Elf64_Ehdr>(0);
    for (u32 i = 0; i < header.e_shnum; ++i) {
        const auto section = at<Elf64_Shdr>(header.e_shoff + i * sizeof(Elf64_Shdr));
        if (section.sh_type != SHT_SYMTAB) continue;
        const auto strings = at<Elf64_Shdr>(header.e_shoff + section.sh_link * sizeof(Elf64_Shdr));
        for (u64 s = 0; s < section.sh_size; s += sizeof(Elf64_Sym)) {
            const auto symbol = at<Elf64_Sym>(section.sh_offset + s);
            if (ELF64_ST_BIND(symbol.st_info) != STB_GLOBAL || symbol.st_shndx == SHN_UNDEF) continue;
            std::string text;
            u64 c = strings.sh_offset + symbol.st_name;
            for (char letter = at<char>(c); letter != '\0'; letter = at<char>(++c)) text += letter;
            symbols_[text] = symbol.st_value;
        }
    }
}

u64 ElfFile::symbol(const std::string& name) const {
    const auto found = symbols_.find(name);
    if (found == symbols_.end()) throw ElfError(fmt::format("{}: no symbol {}", name_, name));
    return found->second;
}

Bytes ElfFile::loaded(u64 start, u64 end) const {
    Bytes out(end - start);
    const auto header = at<Elf64_Ehdr>(0);
    for (u32 i = 0; i < header.e_phnum; ++i) {
        const auto segment = at<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
        if (segment.p_type != PT_LOAD || segment.p_filesz == 0) continue;
        if (segment.p_offset > bytes_.size() || segment.p_filesz > bytes_.size() - segment.p_offset)
            throw ElfError(fmt::format("{}: truncated", name_));
        const u64 from = std::max(start, segment.p_vaddr);
        const u64 to = std::min(end, segment.p_vaddr + segment.p_filesz);
        if (from >= to) continue;
        std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(segment.p_offset + (from - segment.p_vaddr)),
                    to - from, out.begin() + static_cast<std::ptrdiff_t>(from - start));
    }
    return out;
}

}  // namespace baton::firmware
