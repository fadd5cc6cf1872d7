// SPDX-License-Identifier: GPL-2.0-only
// Names for addresses, from the ELF file that stands beside an image (decision D34: it is nothing but that).
//
// Only .symtab of 64-bit little-endian files is read. A file that is not one is a SymbolError, never a crash.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.hpp"

namespace baton::sim {

class SymbolError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Symbol {
    u64 address = 0;
    u64 size = 0;  // 0 = up to the next symbol
    std::string name;
};

class SymbolTable {
public:
    SymbolTable() = default;
    /// Throws SymbolError.
    static SymbolTable load(const std::filesystem::path& elf);
    static SymbolTable parse(std::span<const u8> elf, std::string_view name);

    /// The symbol that covers an address, or null.
    const Symbol* at(u64 address) const;
    std::optional<u64> address_of(std::string_view name) const;
    /// "name+0x1c", demangled; the bare number where no symbol is.
    std::string describe(u64 address) const;
    std::size_t size() const { return symbols_.size(); }

private:
    std::vector<Symbol> symbols_;  // by address
};

/// The names of one image: of its kernel, and of the purgatory in it, which is linked at 0.
struct ImageSymbols {
    SymbolTable kernel;
    SymbolTable purgatory;
};

/// Finds the names of a running kernel by the hash of its text: beside each image file X.img lie X.elf and, for x86-64,
/// purgatory.elf. Files are read when they are first asked for.
class SymbolFiles {
public:
    explicit SymbolFiles(std::vector<std::filesystem::path> images) : images_(std::move(images)) {}
    /// All images of a folder.
    static SymbolFiles in(const std::filesystem::path& folder);
    void add(const std::filesystem::path& image) { images_.push_back(image); }
    /// Null for an image that is not there, or has no such file, or none that can be read.
    std::shared_ptr<const ImageSymbols> find(u64 text_xxh3);

private:
    std::vector<std::filesystem::path> images_;
    std::map<u64, std::shared_ptr<const ImageSymbols>> found_;
};

}  // namespace baton::sim
