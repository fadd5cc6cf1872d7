// SPDX-License-Identifier: GPL-2.0-only
// AArch64: the captured device tree, at the address that was in x0 (specs/kho.md §2.9; specs/boot.md §6). A capture
// without a tree gets one made for its map.
#include <libfdt.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "model/boot/aarch64/image.hpp"
#include "sim/boot/captured_parts.hpp"
#include "sim/input_error.hpp"

namespace baton::sim::boot_loader {
namespace {

std::vector<u8> captured_tree(const CapturedJob& job) {
    const Capture& c = job.capture;
    if (c.boot.dtb.empty()) return device_tree(job.map, {.command_line = c.cmdline, .initrd = c.boot.initrd});
    const std::filesystem::path path = c.folder / c.boot.dtb;
    std::ifstream in(path, std::ios::binary);
    std::vector<u8> tree{std::istreambuf_iterator<char>(in), {}};
    if (tree.size() < sizeof(fdt_header) || fdt_check_full(tree.data(), tree.size()) != 0)
        throw InputError(path.string(), "is no sound device tree");
    tree.resize(fdt_totalsize(tree.data()));
    return tree;
}

// Whether /chosen names the range in the tree's own cells, as the kernel will read it.
bool says(const std::vector<u8>& tree, const char* name, PhysRange wanted) {
    const int chosen = fdt_path_offset(tree.data(), "/chosen");
    int length = 0;
    const void* data = chosen < 0 ? nullptr : fdt_getprop(tree.data(), chosen, name, &length);
    const int address = fdt_address_cells(tree.data(), 0);
    const int size = fdt_size_cells(tree.data(), 0);
    if (data == nullptr || address < 1 || size < 1 || length != (address + size) * 4) return false;
    const auto number = [&](int first, int count) {
        u64 v = 0;
        for (int i = first; i < first + count; ++i) v = v << 32 | fdt32_ld(static_cast<const fdt32_t*>(data) + i);
        return v;
    };
    return number(0, address) == wanted.start.value && number(address, size) == wanted.size;
}

void say(std::vector<u8>& tree, const char* name, PhysRange range) {
    tree.resize(tree.size() + 256);
    void* const fdt = tree.data();
    fdt_open_into(fdt, fdt, static_cast<int>(tree.size()));
    int chosen = fdt_path_offset(fdt, "/chosen");
    if (chosen == -FDT_ERR_NOTFOUND) chosen = fdt_add_subnode(fdt, 0, "chosen");
    fdt_delprop(fdt, chosen, name);
    if (const int error = fdt_appendprop_addrrange(fdt, 0, chosen, name, range.start.value, range.size); error != 0)
        throw LoaderError(fmt::format("the device tree does not take {}: {}", name, fdt_strerror(error)));
    fdt_pack(fdt);
    tree.resize(fdt_totalsize(fdt));
}

void say_handover(CapturedJob& job, std::vector<u8>& tree) {
    const Capture& c = job.capture;
    const std::pair<const char*, PhysRange> wanted[] = {{"linux,kho-fdt", {c.fdt, c.fdt_size}},
                                                        {"linux,kho-scratch", {c.scratch, c.scratch_bytes}}};
    for (const auto& [name, range] : wanted) {
        if (says(tree, name, range)) continue;
        say(tree, name, range);
        job.notes.push_back(fmt::format("the device tree says {} as the manifest does", name));
    }
}

// A kernel maps 2 MiB around it.
bool crosses(PhysRange r) {
    return r.start.value / boot::kDeviceTreeSizeMax != (r.end().value - 1) / boot::kDeviceTreeSizeMax;
}

}  // namespace

LoadedBoot enter_captured_aarch64(CapturedJob& job, std::optional<std::string_view> command_line) {
    std::vector<u8> tree = captured_tree(job);
    if (command_line) {
        tree = with_chosen(tree, {.command_line = command_line, .initrd = {}}, {});
        job.notes.push_back("the command line in the device tree is not the captured one");
    }
    say_handover(job, tree);
    std::optional<PhysAddr> wanted = job.capture.argument;
    if (!wanted) wanted = job.capture.boot.dtb_addr;
    const bool usable = wanted && is_aligned(*wanted, boot::kDeviceTreeAlign) && !crosses({*wanted, tree.size()});
    const PhysAddr at =
        job.place("device tree", tree.size(), usable ? boot::kDeviceTreeAlign : boot::kDeviceTreeSizeMax, wanted);
    put(job.memory, "device tree", at, tree);
    const PhysRange kernel = job.place_image();
    return {.image = kernel.start,
            .argument = at.value,
            .initrd = job.capture.boot.initrd,
            .device_tree = {at, tree.size()},
            .tables = {}};
}

}  // namespace baton::sim::boot_loader
