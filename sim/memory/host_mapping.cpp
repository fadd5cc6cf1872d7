// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/host_mapping.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace baton::sim {

namespace {
[[noreturn]] void refuse(std::string_view what, u64 bytes, std::string_view purpose) {
    const int error = errno;
    throw std::system_error(error, std::generic_category(),
                            std::string(what) + " of " + std::to_string(bytes) + " bytes for " + std::string(purpose));
}
}  // namespace

HostMapping::HostMapping(u64 bytes, Access access, std::string_view purpose) : bytes_(bytes) {
    const int protection = access == Access::kNone ? PROT_NONE : PROT_READ | PROT_WRITE;
    void* p = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) refuse("mmap", bytes, purpose);
    data_ = static_cast<std::byte*>(p);
    // Advice: a host built without THP answers EINVAL, and nothing is lost.
    madvise(p, bytes, MADV_NOHUGEPAGE);
    madvise(p, bytes, MADV_DONTDUMP);
}

HostMapping::~HostMapping() { munmap(data_, bytes_); }

void HostMapping::allow(u64 offset, u64 bytes) {
    if (mprotect(data_ + offset, bytes, PROT_READ | PROT_WRITE) != 0) refuse("mprotect", bytes, "emulated RAM");
}

}  // namespace baton::sim
