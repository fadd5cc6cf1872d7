// SPDX-License-Identifier: GPL-2.0-only
// AArch64: an image, a device tree, an initrd (specs/boot.md §6; specs/kexec.md §11.5).
#include <libfdt.h>

#include <string>

#include "model/boot/aarch64/image.hpp"
#include "sim/boot/placement.hpp"

namespace baton::sim::boot_loader {
namespace {

inline constexpr u64 kImageOffset = 2 * kMiB;
inline constexpr u64 kTreeOffset = 128 * kMiB;
inline constexpr u64 kSmallMachine = 256 * kMiB;
inline constexpr u64 kTreeBytesMax = 8 * kKiB;  // a command line and a handful of nodes
inline constexpr u64 kInitrdWindow = 2 * kGiB;

// Builds a tree front to back; the first error sticks.
class TreeWriter {
public:
    TreeWriter() : bytes_(kTreeBytesMax) {
        note(fdt_create(bytes_.data(), static_cast<int>(bytes_.size())));
        note(fdt_finish_reservemap(bytes_.data()));
        begin("");
    }
    void begin(const std::string& name) { note(fdt_begin_node(bytes_.data(), name.c_str())); }
    void end() { note(fdt_end_node(bytes_.data())); }
    void cell(const char* name, u32 v) { note(fdt_property_u32(bytes_.data(), name, v)); }
    void number(const char* name, u64 v) { note(fdt_property_u64(bytes_.data(), name, v)); }
    void string(const char* name, const std::string& v) { note(fdt_property_string(bytes_.data(), name, v.c_str())); }
    void range(const char* name, PhysRange r) {
        const fdt64_t cells[2] = {cpu_to_fdt64(r.start.value), cpu_to_fdt64(r.size)};
        note(fdt_property(bytes_.data(), name, cells, sizeof(cells)));
    }
    std::vector<u8> finish() {
        end();
        note(fdt_finish(bytes_.data()));
        if (error_ != 0) throw LoaderError(fmt::format("no device tree could be made: {}", fdt_strerror(error_)));
        bytes_.resize(fdt_totalsize(bytes_.data()));
        return bytes_;
    }

private:
    void note(int result) {
        if (error_ == 0 && result < 0) error_ = result;
    }
    std::vector<u8> bytes_;
    int error_ = 0;
};

void put_cpus(TreeWriter& tree) {
    tree.begin("cpus");
    tree.cell("#address-cells", 1);
    tree.cell("#size-cells", 0);
    tree.begin("cpu@0");
    tree.string("device_type", "cpu");
    tree.string("compatible", "arm,armv8");
    tree.cell("reg", 0);
    tree.end();
    tree.end();
}

std::vector<u8> device_tree(const Job& job, PhysRange initrd) {
    TreeWriter tree;
    tree.cell("#address-cells", 2);
    tree.cell("#size-cells", 2);
    tree.string("compatible", "baton,machine");
    tree.string("model", "Baton");
    for (const PhysRange& ram : job.map.ram) {
        tree.begin(fmt::format("memory@{:x}", ram.start.value));
        tree.string("device_type", "memory");
        tree.range("reg", ram);
        tree.end();
    }
    put_cpus(tree);
    tree.begin("chosen");
    tree.string("bootargs", std::string(job.command_line));
    if (!initrd.empty()) {
        tree.number("linux,initrd-start", initrd.start.value);
        tree.number("linux,initrd-end", initrd.end().value);
    }
    tree.end();
    return tree.finish();
}

}  // namespace

LoadedBoot load_aarch64(const Job& job) {
    const PhysRange ram = job.map.ram.front();
    const bool small = ram.size < kSmallMachine;
    // The tree's place must not depend on its size: the initrd's addresses are in it.
    const PhysAddr tree_at =
        small ? align_down(ram.end() - kTreeBytesMax, boot::kDeviceTreeSizeMax) : ram.start + kTreeOffset;
    const PhysAddr top = std::min(ram.end(), ram.start + kInitrdWindow);
    const PhysRange kernel = put_image(job, ram.start + kImageOffset, small ? tree_at : ram.start + kTreeOffset);
    const PhysRange initrd =
        small ? put_initrd(job, kernel.end(), tree_at) : put_initrd(job, tree_at + boot::kDeviceTreeSizeMax, top);
    const std::vector<u8> tree = device_tree(job, initrd);
    put(job, "device tree", tree_at, tree);
    return {.image = kernel.start, .argument = tree_at.value, .initrd = initrd, .device_tree = {tree_at, tree.size()}};
}

}  // namespace baton::sim::boot_loader
