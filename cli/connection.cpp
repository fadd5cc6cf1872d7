// SPDX-License-Identifier: GPL-2.0-only
#include "cli/connection.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace baton::cli {

std::size_t FileStream::read(std::span<u8> to) {
    for (;;) {
        const ssize_t got = ::read(in_, to.data(), to.size());
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR) return 0;
    }
}

bool FileStream::readable() {
    pollfd ready{.fd = in_, .events = POLLIN, .revents = 0};
    return in_ >= 0 && ::poll(&ready, 1, 0) > 0;
}

bool FileStream::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(out_, bytes.data(), bytes.size());
        if (put < 0 && errno != EINTR) return false;
        if (put > 0) bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
}

TcpStream::TcpStream(u16 port) : FileStream(-1, -1), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, bytes) != 0 || ::listen(listener_, 1) != 0 ||
        ::getsockname(listener_, generic, &bytes) != 0) {
        const std::string why = std::strerror(errno);
        ::close(listener_);
        throw ConnectionError(fmt::format("cannot listen on 127.0.0.1:{}: {}", port, why));
    }
    port_ = ntohs(address.sin_port);
}

TcpStream::~TcpStream() {
    if (in_ >= 0) ::close(in_);
    if (listener_ >= 0) ::close(listener_);
}

std::size_t TcpStream::read(std::span<u8> to) {
    if (in_ < 0) {
        in_ = out_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (in_ < 0) return 0;
        ::close(listener_);
        listener_ = -1;
        const int one = 1;
        ::setsockopt(in_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return FileStream::read(to);
}

}  // namespace baton::cli
