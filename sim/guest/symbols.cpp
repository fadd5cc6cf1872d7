// SPDX-License-Identifier: GPL-2.0-only
#include "sim/guest/symbols.hpp"

#include <cxxabi.h>
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include "sim/image/image_file.hpp"

namespace baton::sim {
namespace {

/// Bounds-checked reading of structs.
class Reader {
public:
    Reader(std::span<const u8> bytes, std::string_view name) : bytes_(bytes), name_(name) {}
    [[noreturn]] void bad(std::string_view what) const { throw SymbolError(fmt::format("{}: {}", name_, what)); }
    template <class T>
    T read(u64 offset) const {
        T value;
        const std::span<const u8> from = slice(offset, sizeof(T));
        std::memcpy(&value, from.data(), sizeof(T));
        return value;
    }
    std::span<const u8> slice(u64 offset, u64 size) const {
        if (offset > bytes_.size() || size > bytes_.size() - offset) bad("an offset points past the end of the file");
        return bytes_.subspan(offset, size);
    }

private:
    std::span<const u8> bytes_;
    std::string_view name_;
};

std::string_view string_at(std::span<const u8> strings, u64 offset) {
    if (offset >= strings.size()) return {};
    const auto* start = reinterpret_cast<const char*>(strings.data()) + offset;
    return {start, strnlen(start, strings.size() - offset)};
}

std::string demangled(const std::string& name) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status),
                                                           &std::free);
    return status == 0 && text ? std::string(text.get()) : name;
}

}  // namespace

SymbolTable SymbolTable::load(const std::filesystem::path& elf) {
    std::ifstream file(elf, std::ios::binary);
    if (!file) throw SymbolError(fmt::format("{}: cannot be read", elf.string()));
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    return parse({reinterpret_cast<const u8*>(bytes.data()), bytes.size()}, elf.string());
}

SymbolTable SymbolTable::parse(std::span<const u8> elf, std::string_view name) {
    const Reader reader(elf, name);
    const auto header = reader.read<Elf64_Ehdr>(0);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_shentsize != sizeof(Elf64_Shdr))
        reader.bad("not a 64-bit little-endian ELF file");
    SymbolTable table;
    std::vector<Symbol> placed;  // by the linker script
    const auto section = [&](u32 index) {
        if (index >= header.e_shnum) reader.bad("a section header has an impossible number");
        return reader.read<Elf64_Shdr>(header.e_shoff + u64{index} * sizeof(Elf64_Shdr));
    };
    for (u32 i = 0; i < header.e_shnum; ++i) {
        const Elf64_Shdr symtab = section(i);
        if (symtab.sh_type != SHT_SYMTAB) continue;
        const Elf64_Shdr strtab = section(symtab.sh_link);
        const std::span<const u8> strings = reader.slice(strtab.sh_offset, strtab.sh_size);
        for (u64 at = 0; at + sizeof(Elf64_Sym) <= symtab.sh_size; at += sizeof(Elf64_Sym)) {
            const auto s = reader.read<Elf64_Sym>(symtab.sh_offset + at);
            const u32 type = ELF64_ST_TYPE(s.st_info);
            const std::string_view text = string_at(strings, s.st_name);
            // AArch64 marks code and data with "$x" and "$d": no names. Linker scripts have absolute symbols for places
            // of the image, and for sizes, which are small.
            const bool place = s.st_shndx < SHN_LORESERVE || (s.st_shndx == SHN_ABS && s.st_value >> 63 != 0);
            if (s.st_shndx == SHN_UNDEF || !place || text.empty() || text.front() == '$') continue;
            if (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE) continue;
            auto& to = s.st_shndx == SHN_ABS ? placed : table.symbols_;
            to.push_back({s.st_value, s.st_size, std::string(text)});
        }
    }
    // Of several names for one address, one that has a size stands last and is the one shown; the linker script's
    // first.
    table.symbols_.insert(table.symbols_.begin(), placed.begin(), placed.end());
    std::ranges::stable_sort(table.symbols_, [](const Symbol& a, const Symbol& b) {
        return a.address != b.address ? a.address < b.address : a.size < b.size;
    });
    return table;
}

const Symbol* SymbolTable::at(u64 address) const {
    auto next = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
    // Labels inside a function have no size and cover what follows them; a sized symbol that ended is passed over.
    while (next != symbols_.begin()) {
        --next;
        if (next->size == 0 || address - next->address < next->size) return &*next;
    }
    return nullptr;
}

std::optional<u64> SymbolTable::address_of(std::string_view name) const {
    const auto found = std::ranges::find(symbols_, name, &Symbol::name);
    if (found == symbols_.end()) return std::nullopt;
    return found->address;
}

std::string SymbolTable::describe(u64 address) const {
    const Symbol* symbol = at(address);
    if (symbol == nullptr) return fmt::format("{:#x}", address);
    return fmt::format("{}+{:#x}", demangled(symbol->name), address - symbol->address);
}

SymbolFiles SymbolFiles::in(const std::filesystem::path& folder) {
    std::vector<std::filesystem::path> images;
    std::error_code error;
    for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
        if (it->path().extension() == ".img") images.push_back(it->path());
    std::ranges::sort(images);
    return SymbolFiles(std::move(images));
}

std::shared_ptr<const ImageSymbols> SymbolFiles::find(u64 text_xxh3) {
    const auto [at, is_new] = found_.try_emplace(text_xxh3);
    if (!is_new) return at->second;
    for (const std::filesystem::path& image : images_) {
        try {
            if (ImageFile::load(image).header().text_xxh3 != text_xxh3) continue;
            auto symbols = std::make_shared<ImageSymbols>();
            symbols->kernel = SymbolTable::load(std::filesystem::path(image).replace_extension(".elf"));
            const std::filesystem::path purgatory = image.parent_path() / "purgatory.elf";
            if (std::filesystem::exists(purgatory)) symbols->purgatory = SymbolTable::load(purgatory);
            at->second = std::move(symbols);
            return at->second;
        } catch (const ImageError&) {
            continue;
        } catch (const SymbolError&) {
            continue;  // another image may have the same text, and its names
        }
    }
    return nullptr;
}

}  // namespace baton::sim
