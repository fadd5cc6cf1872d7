// SPDX-License-Identifier: GPL-2.0-only
// A bare machine whose kernel boots as far as KHO cares, and hands over to a second kernel in the same RAM.
//
// `kexec` is the handover without its machinery: the scratch array is copied to where a loader would put it, the Kernel
// object is constructed anew from nothing but RAM and what the boot protocol passes. Calls are counted, so that an
// endless loop over hostile data ends as a hang, as in the native runner.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/kernel.hpp"
#include "tests/support/bare_machine.hpp"

namespace baton::test {

/// (order, physical address): the walk order of a chunk list.
using BlockSet = std::set<std::pair<u32, u64>>;

class KhoMachine : public BareMachine {
public:
    /// The kernel has the defects that its generation shipped with.
    explicit KhoMachine(GeometryId geometry = GeometryId::kX86_64, PhysRange ram = {{0}, 256 * kMiB},
                        Generation generation = Generation::k6_18, u64 image_offset = 2 * kMiB)
        : BareMachine(geometry, ram, generation, image_offset) {
        kernel().config.defects[0] = generation_defects(generation);
    }

    static constexpr std::string_view kCommandLine = "kho=on kho_scratch=16M,32M,16M";

    /// Early boot to the end of the initcalls. `incoming` as the boot protocol passes it.
    void boot(std::string_view command_line = kCommandLine, const KhoIncoming* incoming = nullptr) {
        Kernel& k = kernel();
        // An empty root table, in the image: enough for vmalloc.
        k.page_table = k.image;
        ram::zero(k.page_table, geometry(k).page_size());
        if (incoming != nullptr) kho::populate(k, *incoming);
        kho::parse_early_options(k, command_line);
        if (!memblock::add(k.memblock, ram())) throw std::runtime_error("memblock::add failed");
        if (!memblock::reserve_kern(k.memblock, {k.image, k.image_size})) throw std::runtime_error("reserve failed");
        k.memblock.can_resize = 1;
        reserve_mem::parse_options(k, command_line);
        mm::init_memmap(k);
        kho::memory_init(k);
        if (before_free_all) before_free_all();
        mm::free_all(k);
        kho::init(k);
        reserve_mem::init(k);
    }

    /// What a loaded image would pass on, with the array copied to the last 64 KiB slot of the low area.
    KhoIncoming hand_over() {
        const kho::Fill fill = kho::fill(kernel());
        const kho::ScratchArea low = kho::scratch_area(kernel(), 0);
        const PhysAddr slot = low.addr + (low.size - 64 * kKiB);
        ram::copy(slot, fill.scratch, fill.scratch_bytes);
        return {fill.fdt, geometry(kernel()).page_size(), slot, fill.scratch_bytes};
    }

    /// A new Kernel object in the same RAM, as after a jump.
    void reset_kernel(Generation generation) {
        Kernel& k = kernel();
        KernelConfig config = k.config;
        if (config.generation != static_cast<u32>(generation)) config.defects[0] = generation_defects(generation);
        config.generation = static_cast<u32>(generation);
        const PhysAddr image = k.image;
        const PhysAddr memstart = k.memstart;
        ram::zero(image + kKernelOffset, sizeof(Kernel));
        k.magic = kKernelMagic;
        k.config = config;
        k.image = image;
        k.image_size = kImageSize;
        k.memstart = memstart;
        memblock::init(k.memblock, geometry(k).page_shift);
    }
    void reset_kernel() { reset_kernel(static_cast<Generation>(kernel().config.generation)); }

    /// finalise, where the generation has it.
    void finalise() {
        if (kernel().rules().outgoing == OutgoingKind::kLive) return;
        if (!kho::finalise(kernel())) throw std::runtime_error("finalise failed");
    }

    /// hand_over, reset, boot.
    KhoIncoming kexec(std::string_view command_line = kCommandLine) {
        const KhoIncoming incoming = hand_over();
        reset_kernel();
        boot(command_line, &incoming);
        return incoming;
    }

    BlockSet incoming_blocks() {
        BlockSet set;
        for (u64 i = 0;; ++i) {
            const auto block = kho::incoming_block(kernel(), i);
            if (!block) break;
            set.insert({block->order.value, block->phys.value});
        }
        return set;
    }

    void set_defect(Defect d, bool on = true) {
        u64& word = kernel().config.defects[static_cast<u32>(d) / 64];
        const u64 bit = u64{1} << (static_cast<u32>(d) % 64);
        word = on ? word | bit : word & ~bit;
    }
    void set_options(u32 options) { kernel().config.options = options; }

    /// Fails the next allocations of pages by taking all free ones away; they can be given back.
    std::vector<PhysAddr> exhaust_memory() {
        std::vector<PhysAddr> taken;
        while (const auto page = mm::alloc_pages(kernel(), {0}, 0, AllocSite::kUser)) taken.push_back(*page);
        return taken;
    }
    void give_back(const std::vector<PhysAddr>& pages) {
        for (const PhysAddr page : pages) mm::free_pages(kernel(), page, {0});
    }

    u64 free_pages() { return mm::counts(kernel()).free_pages; }

    /// The last moment at which the incoming tracker's pages cannot have been used again.
    std::function<void()> before_free_all;

    u64 calls_max = 20'000'000;
    void at(Site site, u64 arg0, u64 arg1) override {
        count_call();
        BareMachine::at(site, arg0, arg1);
    }
    void charge(Work w, u64 amount) override {
        count_call();
        BareMachine::charge(w, amount);
    }

private:
    void count_call() {
        if (++calls_ < calls_max) return;
        calls_ = 0;
        fault({.kind = sim::Fault::Kind::kHang});
    }
    u64 calls_ = 0;
};

/// The generations that finalise and abort, for tests of just that.
inline constexpr Generation kBothGenerations[] = {Generation::k6_16, Generation::k6_18};
inline constexpr Generation kAllGenerations[] = {Generation::k6_16, Generation::k6_18, Generation::k7_0,
                                                 Generation::k7_1_v2, Generation::k7_1};
/// Those whose root FDT is edited in place.
inline constexpr Generation kStatelessGenerations[] = {Generation::k7_0, Generation::k7_1_v2, Generation::k7_1};

inline PhysRange small_ram() { return {{0}, 256 * kMiB}; }

}  // namespace baton::test
