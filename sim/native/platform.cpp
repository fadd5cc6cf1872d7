// SPDX-License-Identifier: GPL-2.0-only
// model/platform.hpp for kernels that run as host code: every call goes to this thread's NativeHost.
#include "model/platform.hpp"

#include "model/mm/paging/paging.hpp"
#include "sim/native/host.hpp"

namespace baton::sim {
constinit thread_local NativeHost* native_host = nullptr;
}

namespace baton::platform {

constinit thread_local RamView ram_view;

namespace {
sim::NativeHost& host() { return *sim::native_host; }
}  // namespace

void at(Site site, u64 arg0, u64 arg1) { host().at(site, arg0, arg1); }
void charge(Work work, u64 amount) { host().charge(work, amount); }
void own(PhysRange range, Owner from, Owner to) { host().own(range, from, to); }
u64 mmio_read(PhysAddr reg, u32 width) { return host().mmio_read(reg, width); }
void mmio_write(PhysAddr reg, u32 width, u64 value) { host().mmio_write(reg, width, value); }
void jump(const Jump& j) {
    host().jump(j);
    __builtin_unreachable();
}
void enter(PhysAddr image, u64 argument, PhysAddr loaded) {
    host().enter(image, argument, loaded);
    __builtin_unreachable();
}
void log(LogLevel level, Log id, u64 a, u64 b, u64 c, u64 d) { host().log(level, id, {a, b, c, d}); }
void panic(Log id, u64 a, u64 b, u64 c) {
    host().fault({.kind = sim::Fault::Kind::kPanic, .log = id, .args = {a, b, c}});
    __builtin_unreachable();
}
void assert_failed(u32 file, u32 line) {
    host().fault({.kind = sim::Fault::Kind::kAssert, .file = file, .line = line});
    __builtin_unreachable();
}
void warn(u32 file, u32 line) { host().warn(file, line); }
void page_fault(PhysAddr address, u64 bytes) {
    host().fault({.kind = sim::Fault::Kind::kBadAccess, .args = {address.value, bytes, 0}});
    __builtin_unreachable();
}
u64 now() { return host().now(); }
u64 random(u32 stream) { return host().random(stream); }
void relax() { host().relax(); }
// One host thread, coherent memory: nothing to order, clean or flush natively.
void barrier() {}
void cache_clean(PhysRange) {}
void tlb_flush() {}
std::byte* mapped(const Geometry& g, PhysAddr root, VirtAddr va, u64 bytes) {
    const paging::Translation t = paging::walk(g, root, va);
    if (t.leaf_bytes == 0) page_fault({va.value}, bytes);
    return direct_map(t.address, bytes);
}
void load_root(PhysAddr table, u32 asid) { host().load_root(table, asid); }
u32 cpu_id() { return 0; }
void reply(u64 sequence) { host().reply(sequence); }
void idle() { host().idle(); }

}  // namespace baton::platform
