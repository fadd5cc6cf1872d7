// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>

#include <algorithm>

#include "bench/blackout/report.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::blackout {
namespace {

using scenarios::quantity_text;

std::string_view generation_name(Generation id) {
    return std::ranges::find(kGenerations, id, &GenerationInfo::id)->name;
}

u64 dark_work(const Counts& counts, Work unit) {
    u64 total = 0;
    for (const PhaseInfo& p : kPhases)
        if (p.dark) total = saturating_sum(total, counts.of(p.phase, unit));
    return total;
}

std::string ms(u64 ns) { return fmt::format("{}.{}", ns / 1'000'000, ns % 1'000'000 / 100'000); }

/// Columns of times: phases that a reader asks for as one.
struct Group {
    std::string_view title;
    Phase first;
    Phase last;
};
constexpr Group kGroups[] = {
    {"P1", Phase::kSerialise, Phase::kSerialise},        {"P2-P5", Phase::kNotifiers, Phase::kIommuOff},
    {"P6-P8", Phase::kRelocation, Phase::kDecompress},   {"P9-P10", Phase::kEarlyBoot, Phase::kMemoryMap},
    {"P11-P12", Phase::kInitcalls, Phase::kDeviceProbe}, {"P13", Phase::kRestore, Phase::kRestore},
};

u64 work_ns_of(const Times& times, const Group& group) {
    u64 total = 0;
    for (u32 p = static_cast<u32>(group.first); p <= static_cast<u32>(group.last); ++p)
        total = saturating_sum(total, times.work_ns[p]);
    return total;
}

using Row = std::vector<std::string>;

/// Numbers stand right, the last column (words) left.
std::string right_aligned(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const bool last = i + 1 == widths.size();
            line += last ? row[i] : fmt::format("{:>{}}  ", row[i], widths[i]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

Row head() {
    Row row = {"arch", "kernel", "memory", "preserved", "order", "blocks", "struct pages", "memblock", "hashed KiB"};
    for (const Group& g : kGroups) row.emplace_back(g.title);
    for (const char* title : {"by work", "constants", "dark ms", "how"}) row.emplace_back(title);
    return row;
}

Row row_of(const Cell& cell, const ReportStyle& style) {
    const Geometry& g = geometry_of(cell.machine.arch);
    Row row = {std::string(g.name),
               std::string(generation_name(cell.machine.generation)),
               quantity_text(cell.machine.ram_bytes),
               cell.blocks == 0 ? "-" : quantity_text(cell.preserve_bytes),
               fmt::format("{}", cell.order.value),
               cell.blocks == 0 ? "-" : fmt::format("{}", cell.blocks)};
    if (!cell.has_counts()) {
        row.resize(head().size() - 1, "-");
        row.push_back(fmt::format("{}: {}", info(cell.how).name, cell.message));
        return row;
    }
    const Times times = times_of(cell, style);
    row.push_back(fmt::format("{}", dark_work(cell.counts, Work::kStructPages)));
    row.push_back(fmt::format("{}", saturating_sum(dark_work(cell.counts, Work::kMemblockScans),
                                                   dark_work(cell.counts, Work::kMemblockMoves))));
    row.push_back(fmt::format("{}", dark_work(cell.counts, Work::kBytesHashed) / kKiB));
    for (const Group& group : kGroups) row.push_back(ms(work_ns_of(times, group)));
    row.push_back(ms(times.dark_work_ns));
    row.push_back(ms(times.dark_constant_ns));
    row.push_back(ms(times.dark_ns()));
    row.emplace_back(info(cell.how).name);
    return row;
}

std::string work_text(const Counts& counts, Phase phase) {
    std::string units;
    for (const WorkInfo& unit : kWorks)
        if (const u64 amount = counts.of(phase, unit.work); amount != 0)
            units += fmt::format("{}{} {}", units.empty() ? "" : "  ", unit.name, amount);
    return units;
}

std::string us(u64 ns) { return fmt::format("{}.{}", ns / 1000, ns % 1000 / 100); }

std::string phases_text(const Cell& cell, const ReportStyle& style) {
    std::string out = fmt::format(
        "\n{} {}, {} of memory, {} preserved in {} block{} of order {}, {}\n", geometry_of(cell.machine.arch).name,
        generation_name(cell.machine.generation), quantity_text(cell.machine.ram_bytes),
        quantity_text(cell.preserve_bytes), cell.blocks, cell.blocks == 1 ? "" : "s", cell.order.value,
        cell.how == How::kComputed
            ? fmt::format("computed from handovers of {} and {} blocks", cell.computed_from[0], cell.computed_from[1])
            : "run");
    if (!cell.has_counts()) return out;
    const Times times = times_of(cell, style);
    out += fmt::format("  {:<4}{:<17}{:>14}{:>14}  {}\n", "", "", "by work us", "constant us", "work");
    for (const PhaseInfo& p : kPhases) {
        const auto i = static_cast<u32>(p.phase);
        if (!cell.counts.any(p.phase) && times.constant_ns[i] == 0) continue;
        std::string line =
            fmt::format("  {:<4}{:<17}{:>14}{:>14}  {}", p.code, p.name, us(times.work_ns[i]),
                        times.constant_ns[i] == 0 ? "" : us(times.constant_ns[i]), work_text(cell.counts, p.phase));
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + "\n";
    }
    return out + fmt::format("  {:<21}{:>14}{:>14}\n", "dark", us(times.dark_work_ns), us(times.dark_constant_ns));
}

std::string constants_text(const ReportStyle& style) {
    std::string phases;
    for (const PhaseInfo& p : kPhases)
        if (std::ranges::find(style.profile.constants, p.phase, &sim::PhaseConstant::phase) !=
            style.profile.constants.end())
            phases += fmt::format("{}{} {}", phases.empty() ? "" : ", ", p.code, p.name);
    if (phases.empty()) return {};
    return fmt::format("constants: modelled, not counted, for {} CPU{} and {} device{}: {}\n", style.cpus,
                       style.cpus == 1 ? "" : "s", style.devices, style.devices == 1 ? "" : "s", phases);
}

std::string isas_text(const sim::PhaseConstant& c) {
    const bool x86 = c.paid_on(Isa::kX86_64);
    return x86 && c.paid_on(Isa::kAArch64) ? "" : x86 ? ", x86_64" : ", aarch64";
}

std::string sources_text(const sim::Profile& profile) {
    std::string out = fmt::format("\n{:<20}{:>12}  {}\n", "work", "ps each", "source");
    for (const sim::WorkCost& c : profile.costs)
        out += fmt::format("{:<20}{:>12}  {}\n", info(c.work).name, c.ps, c.source);
    out += fmt::format("\n{:<20}{:>12}  {}\n", "constant", "us", "source");
    for (const sim::PhaseConstant& c : profile.constants)
        out += fmt::format(
            "{:<20}{:>12}  {}\n",
            fmt::format("{} {}{}", info(c.phase).code, sim::kPers[static_cast<u32>(c.per)].name, isas_text(c)), c.us,
            c.source);
    return out;
}

template <class Test>
bool any_cell(const std::vector<Cell>& cells, Test test) {
    return std::ranges::any_of(cells, test);
}

}  // namespace

Times times_of(const Cell& cell, const ReportStyle& style) {
    const Geometry& g = geometry_of(cell.machine.arch);
    const Hardware hardware{.isa = g.isa, .cpus = style.cpus, .devices = style.devices};
    Times t;
    for (const PhaseInfo& p : kPhases) {
        const auto i = static_cast<u32>(p.phase);
        t.work_ns[i] = work_ns(cell.counts, p.phase, style.profile, g.page_size());
        t.constant_ns[i] = constant_ns(p.phase, style.profile, hardware);
        if (!p.dark) continue;
        t.dark_work_ns = saturating_sum(t.dark_work_ns, t.work_ns[i]);
        t.dark_constant_ns = saturating_sum(t.dark_constant_ns, t.constant_ns[i]);
    }
    return t;
}

std::string report_text(const Request& request, const std::vector<Cell>& cells, const ReportStyle& style) {
    std::vector<Row> rows = {head()};
    for (const Cell& cell : cells) rows.push_back(row_of(cell, style));
    std::string out = fmt::format("blackout, work and milliseconds by profile {} ({}); kho_scratch={}%, initrd {}\n\n",
                                  style.profile.name, style.profile.about, request.scratch_percent,
                                  request.initrd_bytes == 0 ? "none" : quantity_text(request.initrd_bytes));
    out += right_aligned(rows);
    if (style.phases)
        for (const Cell& cell : cells)
            if (cell.has_counts()) out += phases_text(cell, style);
    if (style.sources) out += sources_text(style.profile);
    out += "\ndark: P1 to P13, by counted work and by constants\n" + constants_text(style);
    if (any_cell(cells, [](const Cell& c) { return c.how == How::kComputed; }))
        out += "computed: each count on a line through two handovers on that machine\n";
    if (any_cell(cells, [](const Cell& c) { return c.machine.without_b22 && c.has_counts(); }))
        out += "order above the page allocator's: a kernel without B22, which cannot restore such blocks\n";
    return out;
}

}  // namespace baton::blackout
