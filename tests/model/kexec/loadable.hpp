// SPDX-License-Identifier: GPL-2.0-only
// A booted machine that can load kexec images, and the smallest files that are boot images.
#pragma once

#include <libfdt.h>

#include <cstring>
#include <random>
#include <vector>

#include "model/bits.hpp"
#include "model/boot/aarch64/image.hpp"
#include "model/boot/x86_64/boot_params.hpp"
#include "model/kernel.hpp"
#include "model/kexec/purgatory.hpp"
#include "model/mm/paging/paging.hpp"
#include "tests/catch.hpp"
#include "tests/support/bare_machine.hpp"

namespace baton::test {

inline std::vector<u8> random_bytes(u64 n, u64 seed) {
    std::mt19937_64 random(seed);
    std::vector<u8> v(n);
    for (u8& b : v) b = static_cast<u8>(random());
    return v;
}

template <class T>
void poke(std::vector<u8>& bytes, u64 offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

/// A bzImage with four setup sectors; `payload` random bytes.
inline std::vector<u8> bzimage(u64 payload = 0x3000, u32 init_size = 0x40000, u64 pref_address = 0x1000000) {
    std::vector<u8> f = random_bytes(0xa00 + payload, payload);
    std::fill(f.begin(), f.begin() + 0xa00, 0);
    poke<u8>(f, 0x1f1, 4);
    poke<u16>(f, 0x1fe, 0xaa55);
    poke<u8>(f, 0x201, 0x6a);
    poke<u32>(f, 0x202, 0x53726448);
    poke<u16>(f, 0x206, 0x20f);
    poke<u8>(f, 0x211, 1);
    poke<u32>(f, 0x22c, 0x7fffffff);
    poke<u32>(f, 0x230, 2 * kMiB);
    poke<u8>(f, 0x234, 1);
    poke<u8>(f, 0x235, 21);
    poke<u16>(f, 0x236, 3);
    poke<u32>(f, 0x238, 2047);
    poke<u64>(f, 0x258, pref_address);
    poke<u32>(f, 0x260, init_size);
    return f;
}

/// An Image for any granule.
inline std::vector<u8> arm64_image(u64 bytes = 0x3000, u64 image_size = 0x40000, u64 text_offset = 0) {
    std::vector<u8> f = random_bytes(bytes, bytes);
    std::fill(f.begin(), f.begin() + 64, 0);
    poke<u64>(f, 8, text_offset);
    poke<u64>(f, 16, image_size);
    poke<u64>(f, 24, 8);
    poke<u32>(f, 56, 0x644d5241);
    return f;
}

class Loadable {
public:
    static constexpr u64 kRelocateOffset = 0x10000;
    static constexpr u64 kRelocateSize = 0x300;
    static constexpr u64 kPurgatoryOffset = 0x20000;
    static constexpr u64 kPurgatorySize = 0x3000;

    explicit Loadable(GeometryId id = GeometryId::kX86_64, u64 bytes = 64 * kMiB)
        : m(id, {{id == GeometryId::kX86_64 ? 0 : kGiB}, bytes}), k(m.kernel()), page(geometry(k).page_size()) {
        write_own_image();
        if (geometry(k).isa == Isa::kAArch64) write_device_tree();
        k.boot.memory_map_count = 1;
        k.boot.memory_map[0] = {m.ram().start, m.ram().size, static_cast<u32>(MemoryType::kRam), 0};
        REQUIRE(memblock::add(k.memblock, m.ram()));
        REQUIRE(memblock::reserve_kern(k.memblock, {k.image, k.image_size}));
        k.memblock.can_resize = 1;
        paging::init_kernel_space(k);
        mm::init_memmap(k);
        mm::free_all(k);
    }

    bool x86() const { return geometry(k).isa == Isa::kX86_64; }
    u64 free_pages() const { return mm::counts(k).free_pages; }

    u32 file(const std::vector<u8>& content) {
        const auto slot = files::create(k, content.size());
        REQUIRE(slot);
        for (u64 done = 0; done < content.size(); done += page)
            std::memcpy(ram::write<u8>(files::page_at(k, *slot, done), page), content.data() + done,
                        std::min<u64>(page, content.size() - done));
        return *slot;
    }
    u32 kernel_file() { return file(x86() ? bzimage() : arm64_image()); }
    Status load(u32 kernel, u32 initrd = kexec::kNoFile, std::string_view line = "kho=on") {
        return kexec::file_load(k, {kernel, initrd, line});
    }
    Errno load_error(const std::vector<u8>& kernel) {
        const u32 slot = file(kernel);
        const Status s = load(slot);
        REQUIRE(files::remove(k, slot));
        return s ? Errno::kOk : s.error();
    }
    /// The arguments of the last line of a kind; the test fails without one.
    std::array<u64, 4> logged(Log id) const {
        for (auto it = m.logs.rbegin(); it != m.logs.rend(); ++it)
            if (it->first == id) return it->second;
        FAIL("not logged");
        return {};
    }

    /// KHO as after finalise, with these scratch areas.
    void enable_kho(const std::vector<PhysRange>& areas) {
        const auto array = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kUser);
        const auto fdt = mm::alloc_pages(k, {0}, kAllocZero, AllocSite::kUser);
        REQUIRE((array && fdt));
        for (u64 i = 0; i < areas.size(); ++i)
            ram::store(*array + i * sizeof(kho::ScratchArea), kho::ScratchArea{areas[i].start, areas[i].size});
        k.kho.enabled = 1;
        k.kho.finalised = 1;
        k.kho.fdt = *fdt;
        k.kho.scratch = *array;
        k.kho.scratch_count = areas.size();
    }

    BareMachine m;
    Kernel& k;
    u64 page;

private:
    void write_own_image() {
        const std::vector<u8> code = random_bytes(kImageSize, 99);
        std::memcpy(m.bytes(k.image), code.data(), kKernelOffset);
        k.header.text_offset = kRelocateOffset;
        k.header.text_size = 0x1000;
        k.header.kernel_offset = kKernelOffset;
        k.header.relocate_offset = kRelocateOffset;
        k.header.relocate_size = kRelocateSize;
        if (!x86()) return;
        k.header.purgatory_offset = kPurgatoryOffset;
        k.header.purgatory_size = kPurgatorySize;
        k.header.purgatory_regions = 0x1000;
        k.header.purgatory_digest = 0x1100;
        k.header.purgatory_registers = 0x1120;
        k.header.purgatory_entry = kexec::kPurgatoryEntryOffset;
    }

    // The tree that this kernel was booted with; it lies in the image's unused part.
    void write_device_tree() {
        const PhysAddr at = k.image + kPurgatoryOffset;
        void* tree = m.bytes(at);
        REQUIRE(fdt_create(tree, 4096) == 0);
        fdt_finish_reservemap(tree);
        fdt_begin_node(tree, "");
        fdt_property_u32(tree, "#address-cells", 2);
        fdt_property_u32(tree, "#size-cells", 2);
        fdt_begin_node(tree, "chosen");
        fdt_property_string(tree, "bootargs", "old");
        fdt_end_node(tree);
        fdt_end_node(tree);
        REQUIRE(fdt_finish(tree) == 0);
        k.boot.device_tree = {at, fdt_totalsize(tree)};
    }
};

}  // namespace baton::test
