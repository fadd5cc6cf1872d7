// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/bare_machine.hpp"

#include <sys/mman.h>

#include <stdexcept>

namespace baton::test {

BareMachine::BareMachine(GeometryId id, PhysRange ram, Generation generation, u64 image_offset) : ram_(ram) {
    mapped_ = ram.end().value;
    void* p = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::runtime_error("mmap of the test machine's RAM failed");
    base_ = static_cast<std::byte*>(p);
    dirty_.resize(mapped_ / kFrameSize / 64 + 1);
    summary_.resize(dirty_.size() / 64 + 1);
    platform::RamView& v = platform::ram_view;
    v = {};
    v.base = base_;
    v.dirty = dirty_.data();
    v.dirty_summary = summary_.data();
    v.ranges[0] = ram;
    v.range_count = 1;
    sim::native_host = this;

    const PhysAddr image = ram.start + image_offset;
    kernel_ = reinterpret_cast<Kernel*>(base_ + image.value + kKernelOffset);
    Kernel& k = *kernel_;
    k.magic = kKernelMagic;
    k.image = image;
    k.image_size = kImageSize;
    const Geometry& g = geometry_of(id);
    k.config = {.geometry = static_cast<u32>(id),
                .generation = static_cast<u32>(generation),
                .kexec_base = static_cast<u32>(KexecBase::k6_14),
                .options = 0,
                .cma_align = g.pageblock_bytes(),
                .defects = {}};
    k.memstart = g.isa == Isa::kAArch64 ? PhysAddr{ram.start.value & ~(kGiB - 1)} : PhysAddr{};
    memblock::init(k.memblock, g.page_shift);
}

BareMachine::~BareMachine() {
    munmap(base_, mapped_);
    platform::ram_view = {};
    sim::native_host = nullptr;
}

void BareMachine::boot_mm() {
    Kernel& k = kernel();
    memblock::add(k.memblock, ram_).value();
    memblock::reserve_kern(k.memblock, {k.image, k.image_size}).value();
    k.memblock.can_resize = 1;
    mm::init_memmap(k);
    mm::free_all(k);
}

sim::Fault BareMachine::run(const std::function<void()>& f) {
    fault_ = {};
    if (setjmp(escape_) == 0) {
        armed_ = true;
        f();
    }
    armed_ = false;
    return fault_;
}

bool BareMachine::logged(Log id) const {
    for (const auto& l : logs)
        if (l.first == id) return true;
    return false;
}

void BareMachine::at(Site site, u64 arg0, u64 arg1) {
    ++sites[static_cast<u32>(site)];
    if (on_site) on_site(site, arg0, arg1);
}

void BareMachine::jump(const platform::Jump& j) {
    jumped = j;
    has_jumped = true;
    if (!armed_) throw std::runtime_error("jump outside of run()");
    std::longjmp(escape_, 1);
}

void BareMachine::enter(PhysAddr image, u64 argument, PhysAddr loaded) {
    entered = {image, argument, loaded};
    if (!armed_) throw std::runtime_error("enter outside of run()");
    std::longjmp(escape_, 1);
}

void BareMachine::log(LogLevel, Log id, const u64 (&args)[4]) {
    logs.push_back({id, {args[0], args[1], args[2], args[3]}});
}

void BareMachine::fault(const sim::Fault& fault) {
    if (!armed_) throw std::runtime_error("the model faulted outside of run()");
    fault_ = fault;
    std::longjmp(escape_, 1);
}

u64 BareMachine::random(u32 stream) {
    random_state_ = random_state_ * 6364136223846793005u + stream + 1442695040888963407u;
    return random_state_ >> 11;
}

}  // namespace baton::test
