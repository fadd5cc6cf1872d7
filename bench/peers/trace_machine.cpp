// SPDX-License-Identifier: GPL-2.0-only
#include "bench/peers/trace_machine.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace baton::peers {
namespace {

constexpr u64 kEnd = kTiB + 2 * kGiB;
constexpr u64 kDirtyBytes = kEnd / kFrameSize / 8;
constexpr u64 kSummaryBytes = kDirtyBytes / 64;

void* reserve(u64 bytes) {
    void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::runtime_error("mmap of 1 TiB of address space failed (ulimit -v?)");
    return p;
}

}  // namespace

TraceMachine::TraceMachine()
    : base_(static_cast<std::byte*>(reserve(kEnd))),
      dirty_(static_cast<u64*>(reserve(kDirtyBytes))),
      dirty_summary_(static_cast<u64*>(reserve(kSummaryBytes))) {
    static_assert(2 * kArrayEntriesMax * sizeof(MemblockRegion) <= kGiB);
    platform::RamView& v = platform::ram_view;
    v = {};
    v.base = base_;
    v.dirty = dirty_;
    v.dirty_summary = dirty_summary_;
    v.ranges[0] = kRam;
    v.ranges[1] = {{kTiB}, kEnd - kTiB};
    v.range_count = 2;
    sim::native_host = this;
    memblock_ = reinterpret_cast<Memblock*>(base_ + kTiB);
    memblock::init(*memblock_, 12);
}

TraceMachine::~TraceMachine() {
    munmap(base_, kEnd);
    munmap(dirty_, kDirtyBytes);
    munmap(dirty_summary_, kSummaryBytes);
    platform::ram_view = {};
    sim::native_host = nullptr;
}

void TraceMachine::enter(PhysAddr, u64, PhysAddr) { throw std::logic_error("memblock does not move an image"); }
void TraceMachine::jump(const platform::Jump&) { throw std::logic_error("memblock does not leave through kexec"); }

void TraceMachine::log(LogLevel level, Log id, const u64 (&args)[4]) {
    if (level == LogLevel::kError) fmt::print(stderr, "log {}: {}\n", static_cast<u32>(id), args[0]);
}

void TraceMachine::fault(const sim::Fault& fault) {
    std::fflush(stdout);
    fmt::print(stderr, "memblock_trace: fault {} (log {}, file {:#x} line {}, 0x{:x} 0x{:x})\n",
               static_cast<u32>(fault.kind), static_cast<u32>(fault.log), fault.file, fault.line, fault.args[0],
               fault.args[1]);
    std::_Exit(1);
}

}  // namespace baton::peers
