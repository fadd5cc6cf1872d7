// SPDX-License-Identifier: GPL-2.0-only
// A file that is read at offsets: pread, no mapping. A dump that somebody truncates under us then gives a short read
// and not a SIGBUS, and looking through 64 GiB leaves nothing in our address space. Which parts of a sparse file hold
// data is asked of the file system, so that holes cost nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "model/types.hpp"

namespace baton::sim {

class FileBytes {
public:
    /// Throws InputError if it cannot be opened or is not a regular file or block device.
    explicit FileBytes(const std::filesystem::path& path);
    FileBytes(const FileBytes&) = delete;
    FileBytes& operator=(const FileBytes&) = delete;
    ~FileBytes();

    const std::string& name() const { return name_; }
    u64 size() const { return size_; }
    /// False if not all of it is there (any more).
    bool read(u64 offset, std::span<u8> to) const;
    /// Calls back with the runs [start, end) of [from, to) that are not holes, ascending.
    void for_each_data(u64 from, u64 to, const std::function<void(u64 start, u64 end)>& f) const;

private:
    std::string name_;
    int fd_ = -1;
    u64 size_ = 0;
};

}  // namespace baton::sim
