// SPDX-License-Identifier: GPL-2.0-only
// The device tree for the next kernel: a copy of the one this kernel was booted with, /chosen edited (specs/kexec.md
// §11.5; specs/kho.md §2.9, §10.14).
//
// libfdt puts a new property in front of its node's others and resizes one that exists in place, so the order of the
// edits below is the reverse of what the captures show: booted-from-kexec, …, kho-scratch, kho-fdt, initrd-end, …
#include <libfdt.h>

#include <algorithm>
#include <cstring>

#include "model/boot/aarch64/device_tree.hpp"
#include "model/boot/aarch64/image.hpp"
#include "model/kernel.hpp"

namespace baton::boot {
namespace {

// The first error sticks and makes the later edits do nothing.
struct Editor {
    void* tree;
    int chosen = 0;
    int error = 0;

    void note(int result) {
        if (error == 0 && result < 0) error = result;
    }
    void remove(const char* name) {
        if (error != 0) return;
        const int result = fdt_delprop(tree, chosen, name);
        if (result != -FDT_ERR_NOTFOUND) note(result);
    }
    void set(const char* name, const void* data, u64 bytes) {
        if (error == 0) note(fdt_setprop(tree, chosen, name, data, static_cast<int>(bytes)));
    }
    void set_u64(const char* name, u64 value) {
        const fdt64_t cells = cpu_to_fdt64(value);
        set(name, &cells, sizeof(cells));
    }
    void set_string(const char* name, std::string_view s) {
        if (error != 0) return;
        void* data = nullptr;
        note(fdt_setprop_placeholder(tree, chosen, name, static_cast<int>(s.size() + 1), &data));
        if (error != 0) return;
        std::memcpy(data, s.data(), s.size());
        static_cast<char*>(data)[s.size()] = '\0';
    }
    void append_range(const char* name, PhysRange r) {
        if (error == 0) note(fdt_appendprop_addrrange(tree, 0, chosen, name, r.start.value, r.size));
    }
    void remove_reservation(PhysRange r) {
        for (int i = error == 0 ? fdt_num_mem_rsv(tree) - 1 : -1; i >= 0; --i) {
            platform::charge(Work::kListLinks, 1);
            uint64_t start = 0;
            uint64_t size = 0;
            if (fdt_get_mem_rsv(tree, i, &start, &size) == 0 && start == r.start.value && size == r.size)
                note(fdt_del_mem_rsv(tree, i));
        }
    }
};

void find_chosen(Editor& e) {
    if (e.error != 0) return;
    e.chosen = fdt_path_offset(e.tree, "/chosen");
    if (e.chosen == -FDT_ERR_NOTFOUND) e.chosen = fdt_add_subnode(e.tree, 0, "chosen");
    e.note(e.chosen);
}

void edit_initrd(Editor& e, PhysRange old_initrd, PhysRange initrd) {
    if (!old_initrd.empty()) e.remove_reservation(old_initrd);
    if (initrd.empty()) {
        e.remove("linux,initrd-start");
        e.remove("linux,initrd-end");
        return;
    }
    e.set_u64("linux,initrd-start", initrd.start.value);
    e.set_u64("linux,initrd-end", initrd.end().value);
    if (e.error == 0) e.note(fdt_add_mem_rsv(e.tree, initrd.start.value, initrd.size));
}

void edit_handover(Editor& e, const NextBoot& next) {
    e.remove("linux,kho-fdt");
    e.remove("linux,kho-scratch");
    if (next.kho_fdt.value == 0 || next.kho_scratch.value == 0) return;
    e.append_range("linux,kho-fdt", {next.kho_fdt, next.kho_fdt_size});
    e.append_range("linux,kho-scratch", {next.kho_scratch, next.kho_scratch_bytes});
}

// Seeds are fresh for every kernel, and what the last one left in the tree goes.
void edit_seeds(Editor& e) {
    e.remove("kaslr-seed");
    e.set_u64("kaslr-seed", platform::random(kRandomKaslrSeed));
    u64 seed[kRngSeedBytesArm64 / sizeof(u64)];
    for (u64& word : seed) word = platform::random(kRandomRngSeed);
    e.remove("rng-seed");
    e.set("rng-seed", seed, sizeof(seed));
}

void edit_chosen(Editor& e, const Kernel& k, const NextBoot& next) {
    // Those of a crash kernel must not reach a kernel that may use all memory.
    e.remove("linux,elfcorehdr");
    e.remove("linux,usable-memory-range");
    edit_initrd(e, k.boot.initrd, next.initrd);
    edit_handover(e, next);
    if (next.command_line.empty())
        e.remove("bootargs");
    else
        e.set_string("bootargs", next.command_line);
    edit_seeds(e);
    e.set("linux,booted-from-kexec", nullptr, 0);
}

}  // namespace

Result<u64> write_device_tree(const Kernel& k, const NextBoot& next, PhysAddr buffer, u64 capacity) {
    BATON_ASSERT(next.command_line.size() < sizeof(k.boot.command_line));
    const auto current = checked_tree(k.boot.device_tree);
    if (!current) return fail(Errno::kEINVAL);
    // The gaps that libfdt leaves in front of a property's end are never stale memory.
    ram::zero(buffer, capacity);
    Editor e{.tree = ram::write<u8>(buffer, capacity)};
    e.note(fdt_open_into(current->fdt, e.tree, static_cast<int>(std::min(capacity, kDeviceTreeSizeMax))));
    find_chosen(e);
    edit_chosen(e, k, next);
    if (e.error == 0) e.note(fdt_pack(e.tree));
    if (e.error != 0) return fail(e.error == -FDT_ERR_NOSPACE ? Errno::kENOMEM : Errno::kEINVAL);
    const u64 bytes = fdt_totalsize(e.tree);
    platform::charge(Work::kFdtBytes, bytes);
    return bytes;
}

}  // namespace baton::boot
