// SPDX-License-Identifier: GPL-2.0-only
#include "sim/guest/symbols.hpp"

#include <elf.h>

#include <cstring>

#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;

namespace {

/// An ELF file of a header, three section headers, a symbol table and its strings.
std::vector<u8> elf_with(const std::vector<Elf64_Sym>& symbols, std::string_view strings) {
    const u64 table_at = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Shdr);
    const u64 strings_at = table_at + symbols.size() * sizeof(Elf64_Sym);
    std::vector<u8> file(strings_at + strings.size());
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_shoff = sizeof(header);
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 3;
    Elf64_Shdr sections[3]{};
    sections[1].sh_type = SHT_SYMTAB;
    sections[1].sh_offset = table_at;
    sections[1].sh_size = symbols.size() * sizeof(Elf64_Sym);
    sections[1].sh_link = 2;
    sections[2].sh_type = SHT_STRTAB;
    sections[2].sh_offset = strings_at;
    sections[2].sh_size = strings.size();
    std::memcpy(file.data(), &header, sizeof(header));
    std::memcpy(file.data() + sizeof(header), sections, sizeof(sections));
    std::memcpy(file.data() + table_at, symbols.data(), symbols.size() * sizeof(Elf64_Sym));
    std::memcpy(file.data() + strings_at, strings.data(), strings.size());
    return file;
}

Elf64_Sym symbol(u32 name, u32 type, u64 address, u64 size, u16 section = 1) {
    return {.st_name = name,
            .st_info = static_cast<u8>(ELF64_ST_INFO(STB_GLOBAL, type)),
            .st_other = 0,
            .st_shndx = section,
            .st_value = address,
            .st_size = size};
}

constexpr char kStrings[] = "\0start\0_ZN5baton4bootEv\0$x\0label\0undefined";

}  // namespace

TEST_CASE("symbols: an address gets the name that covers it, demangled") {
    const SymbolTable table =
        SymbolTable::parse(elf_with({symbol(7, STT_FUNC, 0x2000, 0x40), symbol(1, STT_FUNC, 0x1000, 0x10),
                                     symbol(24, STT_NOTYPE, 0x2000, 0), symbol(27, STT_NOTYPE, 0x3000, 0),
                                     symbol(33, STT_NOTYPE, 0, 0, SHN_UNDEF)},
                                    {kStrings, sizeof(kStrings)}),
                           "test");
    REQUIRE(table.size() == 3);
    REQUIRE(table.describe(0x1004) == "start+0x4");
    REQUIRE(table.describe(0x1010) == "0x1010");  // behind its end
    REQUIRE(table.describe(0x2008) == "baton::boot()+0x8");
    REQUIRE(table.describe(0x3333) == "label+0x333");
    REQUIRE(table.describe(0xfff) == "0xfff");
    REQUIRE(table.address_of("label") == 0x3000);
    REQUIRE(table.address_of("undefined") == std::nullopt);
}

TEST_CASE("symbols: a damaged file is an error, never a crash") {
    const std::vector<u8> good = elf_with({symbol(1, STT_FUNC, 0x1000, 0x10)}, {kStrings, sizeof(kStrings)});
    for (std::size_t size = 0; size < good.size(); size += 3)
        REQUIRE_THROWS_AS(SymbolTable::parse(std::span(good).first(size), "short"), SymbolError);
    u64 random = 1;
    for (int i = 0; i < 20'000; ++i) {
        std::vector<u8> bad = good;
        for (int k = 0; k < 4; ++k) {
            random = random * 6364136223846793005 + 1442695040888963407;
            bad[(random >> 33) % bad.size()] = static_cast<u8>(random >> 20);
        }
        try {
            SymbolTable::parse(bad, "bad").describe(0x1004);
        } catch (const SymbolError&) {
        }
    }
    REQUIRE_THROWS_AS(SymbolTable::load("/nonexistent/baton.elf"), SymbolError);
}
