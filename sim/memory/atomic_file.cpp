// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/atomic_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "sim/bytes.hpp"

namespace baton::sim {

namespace {

[[noreturn]] void fail(std::string_view action, const std::filesystem::path& path, int error) {
    throw SaveError("cannot " + std::string(action) + " '" + path.string() + "': " + std::strerror(error));
}

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }

private:
    int fd_;
};

/// 0, or why not.
int write_all(int fd, std::span<const u8> bytes, Outlives outlives) {
    while (!bytes.empty()) {
        const ssize_t n = write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return outlives == Outlives::kProcess || fsync(fd) == 0 ? 0 : errno;
}

std::filesystem::path beside_of(const std::filesystem::path& path) {
    std::filesystem::path beside = path;
    return beside += "." + std::to_string(getpid()) + ".tmp";
}

}  // namespace

std::string why_not_writable(const std::filesystem::path& path) {
    std::error_code unknown;
    const std::filesystem::file_status found = status(path, unknown);
    if (is_directory(found)) return std::strerror(EISDIR);
    if (exists(found) && !is_regular_file(found)) return "it is not a regular file";
    const std::filesystem::path beside = beside_of(path);
    const Descriptor file(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file.get() < 0) return std::strerror(errno);
    unlink(beside.c_str());
    return {};
}

void write_file_atomically(const std::filesystem::path& path, std::span<const u8> bytes, Outlives outlives) {
    const std::filesystem::path beside = beside_of(path);
    int error = 0;
    {
        const Descriptor file(open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        if (file.get() < 0) fail("write", path, errno);
        error = write_all(file.get(), bytes, outlives);
    }
    if (error == 0 && rename(beside.c_str(), path.c_str()) != 0) error = errno;
    if (error != 0) {
        unlink(beside.c_str());
        fail("write", path, error);
    }
}

std::vector<u8> read_whole_file(const std::filesystem::path& path) {
    const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) fail("read", path, errno);
    std::vector<u8> bytes;
    for (;;) {
        constexpr std::size_t kChunk = 1 << 20;
        const std::size_t size = bytes.size();
        bytes.resize(size + kChunk);
        const ssize_t n = read(file.get(), bytes.data() + size, kChunk);
        const int error = errno;
        bytes.resize(size + static_cast<std::size_t>(n > 0 ? n : 0));
        if (n < 0 && error != EINTR) fail("read", path, error);
        if (n == 0) return bytes;
    }
}

}  // namespace baton::sim
