// SPDX-License-Identifier: GPL-2.0-only
#include "bench/blackout/blackout.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "bench/blackout/fit.hpp"
#include "model/defects.hpp"
#include "scenarios/engine/result.hpp"
#include "sim/boot/loader.hpp"

namespace baton::blackout {
namespace {

using scenarios::size_text;

bool has_b22(Generation generation) {
    return (generation_defects(generation) >> static_cast<u32>(Defect::kB22) & 1) != 0;
}

/// Blocks of the larger of two handovers that a cell is computed from. Both fill whole sections of the memory map, and
/// whole bitmaps at order 0: each of these is a step in what a handover costs.
u64 sample_blocks(const Request& request, const Geometry& g, u64 block_bytes) {
    const u64 bytes = std::max(kSampleBytes, 4 * g.section_bytes());
    return std::max<u64>(std::min(request.run_bytes_max, bytes) / block_bytes, 2);
}

/// Blocks of the largest handover that has to be made for a cell.
u64 made_blocks(const Request& request, const Cell& cell) {
    const Geometry& g = geometry_of(cell.machine.arch);
    const u64 block_bytes = g.bytes_of(cell.order);
    const bool run = cell.blocks <= std::max<u64>(request.run_bytes_max / block_bytes, 2);
    return run ? cell.blocks : sample_blocks(request, g, block_bytes);
}

void measure(const Request& request, HandoverMachine& machine, Cell& cell) {
    const u64 most = made_blocks(request, cell);
    if (most == cell.blocks) {
        cell.counts = machine.hand_over(cell.order, cell.blocks);
        cell.how = How::kRun;
        return;
    }
    const Measured less{most / 2, machine.hand_over(cell.order, most / 2)};
    const Measured more{most, machine.hand_over(cell.order, most)};
    cell.counts = extrapolate(less, more, cell.blocks);
    cell.computed_from = {less.blocks, more.blocks};
    cell.how = How::kComputed;
}

/// Says why there is nothing to measure, if so.
std::string impossible(const Request& request, const Cell& cell, u64 block_bytes) {
    if (cell.blocks == 0) return fmt::format("one block has {}, more than shall be preserved", size_text(block_bytes));
    const u64 touched = made_blocks(request, cell) * block_bytes;
    if (touched > kHostBytesMax)
        return fmt::format("even two blocks would take {} of this host's memory", size_text(touched));
    return {};
}

}  // namespace

Cell run_cell(const Request& request, const MachineSpec& spec, Order order, std::optional<HandoverMachine>& machine) {
    const Geometry& g = geometry_of(spec.arch);
    Cell cell{.machine = spec, .order = order, .counts = {}, .message = {}};
    cell.machine.without_b22 = order.value > g.max_order && has_b22(spec.generation);
    const u64 wanted = request.preserve_bytes.value_or(std::min(spec.ram_bytes / 2, kPreserveBytesMax));
    cell.blocks = wanted / g.bytes_of(order);
    cell.preserve_bytes = cell.blocks * g.bytes_of(order);
    cell.message = impossible(request, cell, g.bytes_of(order));
    if (!cell.message.empty()) return cell;
    try {
        if (!machine || machine->spec() != cell.machine) machine.emplace(cell.machine, request.image_folder);
        measure(request, *machine, cell);
    } catch (const NoRoom& e) {
        cell.message = e.what();
    } catch (const HandoverFailed& e) {
        cell.how = How::kFailed;
        cell.message = e.what();
        machine.reset();
    } catch (const sim::LoaderError& e) {
        cell.how = How::kFailed;
        cell.message = e.what();
    }
    return cell;
}

std::vector<Cell> run(const Request& request) {
    std::vector<Cell> cells;
    const std::size_t all =
        request.archs.size() * request.generations.size() * request.memory_bytes.size() * request.orders.size();
    std::optional<HandoverMachine> machine;
    for (const GeometryId arch : request.archs)
        for (const Generation generation : request.generations)
            for (const u64 ram_bytes : request.memory_bytes)
                for (const u32 order : request.orders) {
                    if (request.on_progress) request.on_progress(cells.size(), all);
                    const MachineSpec spec{.arch = arch,
                                           .generation = generation,
                                           .ram_bytes = ram_bytes,
                                           .initrd_bytes = request.initrd_bytes,
                                           .scratch_percent = request.scratch_percent};
                    cells.push_back(run_cell(request, spec, {order}, machine));
                }
    return cells;
}

}  // namespace baton::blackout
