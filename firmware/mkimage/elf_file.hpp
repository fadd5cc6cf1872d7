// SPDX-License-Identifier: GPL-2.0-only
// As much of a linked 64-bit little-endian ELF as an image is made from: the bytes to load, and the symbols.
#pragma once

#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>

#include "firmware/mkimage/image_builder.hpp"

namespace baton::firmware {

/// The message is a sentence for a person and names the file.
class ElfError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class ElfFile {
public:
    /// Throws ElfError.
    explicit ElfFile(const std::filesystem::path& path);

    /// Value of a symbol. Throws ElfError when there is none.
    u64 symbol(const std::string& name) const;
    /// What is loaded to [start, end); zero where nothing is. Throws ElfError when segments reach outside the file.
    Bytes loaded(u64 start, u64 end) const;

private:
    template <class T>
    T at(u64 offset) const;
    void read_symbols();

    std::string name_;
    Bytes bytes_;
    std::map<std::string, u64> symbols_;
};

}  // namespace baton::firmware
