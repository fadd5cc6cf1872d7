// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/file_bytes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/input_error.hpp"

namespace baton::sim {

FileBytes::FileBytes(const std::filesystem::path& path) : name_(path.string()) {
    // O_NONBLOCK: a FIFO must not make us wait for a writer.
    fd_ = open(name_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) throw InputError(name_, fmt::format("cannot be opened: {}", std::strerror(errno)));
    struct stat s{};
    const off_t end = fstat(fd_, &s) == 0 && (S_ISREG(s.st_mode) || S_ISBLK(s.st_mode)) ? lseek(fd_, 0, SEEK_END) : -1;
    if (end < 0) {
        close(fd_);
        throw InputError(name_, S_ISDIR(s.st_mode) ? "is a folder" : "is not a file");
    }
    size_ = static_cast<u64>(end);
}

FileBytes::~FileBytes() { close(fd_); }

bool FileBytes::read(u64 offset, std::span<u8> to) const {
    if (offset > size_ || to.size() > size_ - offset) return false;
    for (u64 done = 0; done < to.size();) {
        const ssize_t n = pread(fd_, to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += static_cast<u64>(n);
    }
    return true;
}

void FileBytes::for_each_data(u64 from, u64 to, const std::function<void(u64, u64)>& f) const {
    to = std::min(to, size_);
    while (from < to) {
        const off_t data = lseek(fd_, static_cast<off_t>(from), SEEK_DATA);
        if (data < 0 && errno == ENXIO) return;  // holes up to the end
        u64 start = from;
        u64 end = to;
        if (data >= 0) {  // otherwise the file system cannot tell: all of it is data
            start = static_cast<u64>(data);
            const off_t hole = lseek(fd_, data, SEEK_HOLE);
            if (hole > data) end = std::min(to, static_cast<u64>(hole));
        }
        if (start >= to) return;
        f(start, end);
        from = end;
    }
}

}  // namespace baton::sim
