// SPDX-License-Identifier: GPL-2.0-only
// A saved machine of ours: its RAM, and from its kernel where the handover lies.
#include <fmt/format.h>

#include <algorithm>

#include "model/kernel.hpp"
#include "sim/input_error.hpp"
#include "sim/inspect/source.hpp"
#include "sim/machine.hpp"

namespace baton::sim {
namespace {

/// Frames that were written as bytes, the rest of RAM as zeros.
void add_ram(Source& out, const std::shared_ptr<Machine>& machine) {
    const MachineMap& map = machine->map();
    for (const PhysRange& ram : map.ram) {
        if (machine->memory().background() != 0) {  // a test's; then all of it was written
            out.memory.add_bytes(ram.start, {machine->memory().bytes(ram), ram.size}, machine);
            continue;
        }
        PhysRange run{ram.start, 0};
        const u8* bytes = nullptr;
        const auto flush = [&] {
            if (run.size != 0) out.memory.add_bytes(run.start, {bytes, run.size}, machine);
        };
        machine->touched()(ram, [&](PhysAddr at, std::span<const u8> frame) {
            if (run.size != 0 && run.end() == at) {
                run.size += frame.size();
                return;
            }
            flush();
            out.memory.add_zeros({run.end(), at - run.end()});
            run = {at, frame.size()};
            bytes = frame.data();
        });
        flush();
        out.memory.add_zeros({run.end(), ram.end() - run.end()});
    }
}

/// A finalised root FDT: what was written there before is no tree, or has no map.
bool is_finalised(const Source& source, PhysAddr fdt) {
    const RamReader read = [&](PhysAddr a, std::span<u8> to) { return source.memory.read(a, to); };
    const LoadedTree tree = load_tree(fdt, kTreeBytesMax, read);
    return tree.state == LoadedTree::State::kGood &&
           tree_u64(tree.bytes.data(), 0, "preserved-memory-map").value_or(0) != 0;
}

/// What its kernel is about to hand over, if it has something; else what was handed to it.
void choose_handover(Source& out, const Kernel& k, const Geometry& g) {
    const KhoIncoming& in = k.kho.incoming;
    if (k.kho.fdt.value != 0 && (is_finalised(out, k.kho.fdt) || in.fdt.value == 0)) {
        out.stated.fdt = k.kho.fdt;
        out.stated.fdt_size = g.page_size();
        out.stated.scratch = k.kho.scratch;
        out.stated.scratch_bytes = std::min<u64>(k.kho.scratch_count, kScratchAreasMax) * 16;
        out.live = true;
        out.remark = "what its kernel is about to hand over";
        for (const GenerationInfo& row : kGenerations)
            if (static_cast<u32>(row.id) == k.config.generation) out.generation = row.name;
    } else if (in.fdt.value != 0) {
        out.stated.fdt = in.fdt;
        out.stated.fdt_size = in.fdt_size;
        out.stated.scratch = in.scratch;
        out.stated.scratch_bytes = in.scratch_bytes;
        out.remark = "what was handed to its kernel, which may have reused the metadata since";
    }
}

}  // namespace

Source open_saved_machine(const std::filesystem::path& file) {
    std::shared_ptr<Machine> machine;
    try {
        machine = Machine::load(file, {}).machine;
    } catch (const SaveError& e) {
        throw InputError("", e.what());
    }
    Source out;
    out.name = file.string();
    out.kind = "saved machine";
    const Geometry& g = machine->geometry();
    out.isa = g.isa;
    out.page_shift = g.page_shift;
    out.ram.assign(machine->map().ram.begin(), machine->map().ram.end());
    add_ram(out, machine);
    out.memory.seal();
    const Kernel* k = machine->kernel();
    if (k == nullptr) return out;
    choose_handover(out, *k, g);
    return out;
}

}  // namespace baton::sim
