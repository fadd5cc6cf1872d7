// SPDX-License-Identifier: GPL-2.0-only
// A connection whose other side is a script: what it will send is known before, what it was sent is kept.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "sim/gdb/packet.hpp"

namespace baton::test {

class Wire final : public sim::gdb::ByteStream {
public:
    explicit Wire(std::string to_read = {}, std::size_t piece = 7) : incoming(std::move(to_read)), piece_(piece) {}
    std::size_t read(std::span<u8> to) override {
        const std::size_t n = std::min({to.size(), incoming.size(), piece_});
        std::copy_n(incoming.begin(), n, to.begin());
        incoming.erase(0, n);
        return n;
    }
    bool readable() override { return !incoming.empty(); }
    bool write(std::string_view bytes) override {
        outgoing += bytes;
        return true;
    }
    std::string incoming;
    std::string outgoing;

private:
    std::size_t piece_;  // bytes of one read
};

}  // namespace baton::test
