// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "sim/input_error.hpp"
#include "sim/inspect/source.hpp"

namespace baton::sim {
namespace {

namespace fs = std::filesystem;

// A capture may have thousands of files; small ones are read at once, so that few are open.
inline constexpr u64 kReadAtOnceMax = 64 * kKiB;

void add_file(Source& out, PhysAddr at, const fs::path& path, u64 size) {
    const auto file = std::make_shared<FileBytes>(path);
    if (size > kReadAtOnceMax) {
        out.memory.add_file(at, file, 0, size);
        return;
    }
    const auto bytes = std::make_shared<std::vector<u8>>(size);
    if (!file->read(0, *bytes)) throw InputError(path.string(), fmt::format("cannot be read: it had {} bytes", size));
    out.memory.add_bytes(at, *bytes, bytes);
}

/// The device tree that the next kernel gets, where the capture says it lies.
void add_device_tree(Source& out, const Capture& c) {
    if (c.boot.dtb.empty()) return;
    const fs::path path = c.folder / c.boot.dtb;
    const FileBytes file(path);
    std::vector<u8> tree(std::min<u64>(file.size(), kTreeBytesMax));
    if (!file.read(0, tree)) throw InputError(path.string(), "cannot be read");
    const auto in_file = [&](PhysAddr a, std::span<u8> to) {
        if (a.value > tree.size() || to.size() > tree.size() - a.value) return false;
        std::copy_n(tree.data() + a.value, to.size(), to.data());
        return true;
    };
    const LoadedTree loaded = load_tree({0}, kTreeBytesMax, in_file);
    if (loaded.state != LoadedTree::State::kGood) throw InputError(path.string(), "is not a device tree");
    const BootHandover boot = read_chosen(loaded.bytes, {0});
    if (!boot.initrd.empty()) out.image.push_back({"initrd", boot.initrd});
    const std::optional<PhysAddr> at = c.boot.dtb_addr ? c.boot.dtb_addr : c.argument;
    if (!at) return;
    const auto bytes = std::make_shared<std::vector<u8>>(loaded.bytes);
    out.memory.add_bytes(*at, *bytes, bytes);
    out.image.push_back({"device tree", {*at, bytes->size()}});
    out.argument = at;
}

}  // namespace

Source open_capture(const fs::path& folder) {
    const Capture c = read_capture(folder);
    Source out;
    out.name = folder.string();
    out.kind = "capture";
    out.isa = c.isa;
    out.page_shift = c.page_shift();
    out.ram = c.ram();
    for (const CaptureMapEntry& e : c.memory_map)
        if (e.type != "ram") out.reserved.push_back(e);
    out.generation = c.generation;
    out.remark = c.note;
    out.stated.fdt = c.fdt;
    out.stated.fdt_size = c.fdt_size;
    out.stated.scratch = c.scratch;
    out.stated.scratch_bytes = c.scratch_bytes;
    out.setup_data = c.boot.setup_data;
    out.cmdline = c.boot.cmdline;
    out.expect = c.expect;
    for (const CaptureSegment& s : c.segments) add_file(out, s.range.start, s.path, s.range.size);
    for (const PhysRange& r : c.patterned) out.memory.add_pattern(r);
    if (!c.boot.kernel.empty()) out.image.push_back({"kernel", c.boot.kernel});
    if (c.boot.kernel.empty() && c.entry) out.image.push_back({"kernel entry", {*c.entry, 1}});
    if (!c.boot.initrd.empty()) out.image.push_back({"initrd", c.boot.initrd});
    if (c.boot.boot_params) out.image.push_back({"boot params", {*c.boot.boot_params, 4096}});
    if (c.isa == Isa::kX86_64) out.argument = c.boot.boot_params ? c.boot.boot_params : c.argument;
    add_device_tree(out, c);
    out.memory.seal();
    return out;
}

}  // namespace baton::sim
