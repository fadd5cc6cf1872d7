// SPDX-License-Identifier: GPL-2.0-only
// x86-64: zero page, command line and setup_data as the captured kexec laid them out (specs/boot.md §2, §7;
// specs/kho.md §2.8). Captures leave the zero page out, because it is a kernel's own; the firmware's map in it is the
// manifest's.
#include <algorithm>
#include <cstring>
#include <set>

#include "model/kho/abi.hpp"
#include "sim/boot/captured_parts.hpp"

namespace baton::sim::boot_loader {
namespace {

constexpr u32 low(u64 v) { return static_cast<u32>(v); }
constexpr u32 high(u64 v) { return static_cast<u32>(v >> 32); }

bool is_stored(const Capture& capture, PhysRange range) {
    return std::ranges::any_of(capture.segments, [&](const CaptureSegment& s) { return s.range.contains(range); });
}

PhysAddr place_command_line(CapturedJob& job, std::optional<std::string_view> wanted) {
    const auto captured = job.capture.boot.cmdline;
    if (!wanted && captured && is_stored(job.capture, {*captured, 1})) return *captured;
    const std::string line(wanted.value_or(job.capture.cmdline));
    if (line.size() > boot::kCommandLineSizeMax)
        throw LoaderError(
            fmt::format("a command line has at most {} bytes, not {}", boot::kCommandLineSizeMax, line.size()));
    const PhysAddr at = job.place("command line", boot::kCommandLineSizeMax + 1, kFrameSize, {});
    put(job.memory, "command line", at, {reinterpret_cast<const u8*>(line.c_str()), line.size() + 1});
    job.notes.push_back(fmt::format("the command line at {:#x} is not the captured one", at.value));
    return at;
}

// The captured node, if it is there and says what the manifest does.
PhysAddr place_setup_data(CapturedJob& job) {
    struct Node {
        boot::SetupData head;
        kho::SetupDataKho data;
    };
    const Node wanted{{{0}, boot::kSetupKho, sizeof(kho::SetupDataKho)},
                      {job.capture.fdt, job.capture.fdt_size, job.capture.scratch, job.capture.scratch_bytes}};
    if (const auto at = job.capture.boot.setup_data; at && is_stored(job.capture, {*at, sizeof(boot::SetupData)}))
        return *at;
    const PhysAddr at = job.place("setup_data node", sizeof(Node), kFrameSize, job.capture.boot.setup_data);
    put(job.memory, "setup_data node", at, {reinterpret_cast<const u8*>(&wanted), sizeof(wanted)});
    job.notes.push_back(fmt::format("the setup_data node at {:#x} was made from the manifest", at.value));
    return at;
}

// Outside scratch, where the next kernel allocates nothing before it has tables of its own; as a kexec's.
EntryTables place_tables(CapturedJob& job, std::span<const PhysRange> needed) {
    std::set<u64> gigabytes;
    for (const PhysRange& r : needed)
        for (u64 g = r.start.value / kGiB; !r.empty() && g <= (r.end().value - 1) / kGiB; ++g) gigabytes.insert(g);
    const std::vector<u64> list(gigabytes.begin(), gigabytes.end());
    const u64 bytes = entry_tables_bytes(list);
    Room outside = job.room;
    for (const PhysRange& area : job.scratch) outside.take(area);
    std::optional<PhysAddr> at;
    if (outside.is_free({kIdentityRoot, bytes})) at = kIdentityRoot;
    if (!at) at = outside.highest(bytes, kFrameSize, {kFrameSize}, {kMiB});
    if (!at) at = outside.lowest(bytes, kFrameSize, {kMiB}, {~u64{0}});
    if (!at) at = job.place("identity map", bytes, kFrameSize, {});
    return put_entry_tables(job.memory, *at, list);
}

}  // namespace

LoadedBoot enter_captured_x86_64(CapturedJob& job, std::optional<std::string_view> command_line) {
    const PhysAddr page = job.place("zero page", kFrameSize, kFrameSize, job.capture.boot.boot_params);
    const PhysRange kernel = job.place_image();
    const PhysAddr line = place_command_line(job, command_line);
    const PhysRange initrd = job.capture.boot.initrd;
    boot::BootParams params = zero_page(job.image, job.map);
    params.header.type_of_loader = boot::kLoaderTypeKexec;
    params.header.loadflags = 0;
    params.header.cmd_line_ptr = low(line.value);
    params.ext_cmd_line_ptr = high(line.value);
    params.header.ramdisk_image = low(initrd.start.value);
    params.ext_ramdisk_image = high(initrd.start.value);
    params.header.ramdisk_size = low(initrd.size);
    params.ext_ramdisk_size = high(initrd.size);
    params.header.setup_data = place_setup_data(job).value;
    put_acpi_tables(job.memory, job.map, params);
    put(job.memory, "zero page", page, {reinterpret_cast<const u8*>(&params), sizeof(params)});
    const PhysRange needed[] = {kernel, {page, kFrameSize}, {line, boot::kCommandLineSizeMax + 1}};
    const EntryTables tables = place_tables(job, needed);
    return {.image = kernel.start, .argument = page.value, .initrd = initrd, .device_tree = {}, .tables = tables};
}

}  // namespace baton::sim::boot_loader
