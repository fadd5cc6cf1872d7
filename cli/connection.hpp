// SPDX-License-Identifier: GPL-2.0-only
// How a debugger reaches us: a TCP port of this host, or standard input and output.
#pragma once

#include <stdexcept>

#include "sim/gdb/packet.hpp"

namespace baton::cli {

class ConnectionError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Two file descriptors; neither is closed.
class FileStream : public sim::gdb::ByteStream {
public:
    FileStream(int in, int out) : in_(in), out_(out) {}
    std::size_t read(std::span<u8> to) override;
    bool readable() override;
    bool write(std::string_view bytes) override;

protected:
    int in_;
    int out_;
};

/// One connection to 127.0.0.1, accepted when somebody first reads.
class TcpStream final : public FileStream {
public:
    /// Listens. Port 0 = any that is free. Throws ConnectionError.
    explicit TcpStream(u16 port);
    ~TcpStream() override;
    u16 port() const { return port_; }
    std::size_t read(std::span<u8> to) override;

private:
    int listener_;
    u16 port_ = 0;
};

}  // namespace baton::cli
