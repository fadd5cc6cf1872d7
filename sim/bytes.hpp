// SPDX-License-Identifier: GPL-2.0-only
// How state becomes plain bytes for a saved machine: little-endian numbers and counted strings, read back with every
// bound checked. A file is hostile input, so a reader never trusts a length; it throws SaveError, whose text a person
// can use.
#pragma once

#include <concepts>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.hpp"

namespace baton::sim {

/// A saved machine that cannot be written or read: the message names the file and what is wrong with it.
class SaveError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class ByteWriter {
public:
    template <std::unsigned_integral T>
    void put(T value) {
        for (u32 i = 0; i < sizeof(T); ++i) bytes_.push_back(static_cast<u8>(static_cast<u64>(value) >> (8 * i)));
    }
    void put_bytes(std::span<const u8> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    /// u32 length, then the characters.
    void put_string(std::string_view text) {
        put(static_cast<u32>(text.size()));
        bytes_.insert(bytes_.end(), text.begin(), text.end());
    }
    /// Overwrites 8 bytes at `offset`, which were put before.
    void set_u64(u64 offset, u64 value) {
        for (u32 i = 0; i < 8; ++i) bytes_.at(offset + i) = static_cast<u8>(value >> (8 * i));
    }
    u64 size() const { return bytes_.size(); }
    const std::vector<u8>& bytes() const { return bytes_; }

private:
    std::vector<u8> bytes_;
};

class ByteReader {
public:
    /// `what` names the bytes in messages: "saved machine x.sav".
    ByteReader(std::span<const u8> bytes, std::string what) : rest_(bytes), what_(std::move(what)) {}

    template <std::unsigned_integral T>
    T get() {
        const std::span<const u8> raw = get_bytes(sizeof(T));
        u64 value = 0;
        for (u32 i = 0; i < sizeof(T); ++i) value |= static_cast<u64>(raw[i]) << (8 * i);
        return static_cast<T>(value);
    }
    std::span<const u8> get_bytes(u64 count) {
        if (count > rest_.size()) fail("ends too early");
        const std::span<const u8> bytes = rest_.first(count);
        rest_ = rest_.subspan(count);
        return bytes;
    }
    std::string get_string() {
        const std::span<const u8> bytes = get_bytes(get<u32>());
        return {bytes.begin(), bytes.end()};
    }
    /// A count of things that take at least `bytes_min` bytes each, so that it cannot ask for more memory than there
    /// is.
    u64 get_count(u64 bytes_min) {
        const u64 count = get<u64>();
        if (count > rest_.size() / bytes_min) fail("ends too early");
        return count;
    }
    /// All that was not read yet.
    std::span<const u8> rest() const { return rest_; }
    void expect_end() const {
        if (!rest_.empty()) fail("has " + std::to_string(rest_.size()) + " bytes too many");
    }
    [[noreturn]] void fail(std::string_view problem) const { throw SaveError(what_ + " " + std::string(problem)); }

private:
    std::span<const u8> rest_;
    std::string what_;
};

}  // namespace baton::sim
