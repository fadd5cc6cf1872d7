// SPDX-License-Identifier: GPL-2.0-only
// `baton check --machine M [--fit]`: what a memory map makes of a machine, and what fits on it.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/verbs.hpp"
#include "model/bits.hpp"
#include "model/defects.hpp"
#include "scenarios/engine/diagnostic.hpp"
#include "scenarios/engine/fields.hpp"
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/quantity.hpp"
#include "scenarios/engine/result.hpp"
#include "sim/boot/loader.hpp"
#include "sim/fit/fit.hpp"
#include "sim/map_file/map_file.hpp"

namespace baton::cli {
namespace {

using scenarios::Diagnostic;
using scenarios::size_text;

inline constexpr u64 kImageBytesMax = 4 * kGiB - 1;  // a bzImage says its size in 32 bits
inline constexpr u64 kScratchCharsMax = 100;

/// Stops at the first thing that is wrong.
struct BadInput {
    Diagnostic what;
};
[[noreturn]] void wrong(const std::string& option, const std::string& message, std::string hint = {}) {
    throw BadInput{{{}, {}, fmt::format("{}: {}", option, message), std::move(hint)}};
}

template <class Row, std::size_t kRows>
const Row& row_of(const std::string& word, std::string_view option, const Row (&table)[kRows]) {
    const Row* found = std::ranges::find(table, word, &Row::name);
    if (found == std::end(table))
        wrong(std::string(option), fmt::format("unknown name \"{}\"", word),
              scenarios::suggestion(word, scenarios::names_of(table)));
    return *found;
}

u64 size_of(const std::string& text, const std::string& option, u64 max) {
    const auto bytes = scenarios::parse_quantity(text);
    if (!bytes) wrong(option, bytes.error().message, bytes.error().hint);
    if (*bytes == 0 || *bytes > max)
        wrong(option, fmt::format("{} is no size for this", text),
              fmt::format("1 to {}", scenarios::quantity_text(max)));
    return *bytes;
}

std::vector<u8> bytes_of(const std::string& file, const std::string& option) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(file, error)) wrong(option, fmt::format("there is no file \"{}\"", file));
    std::ifstream in(file, std::ios::binary);
    std::vector<u8> bytes{std::istreambuf_iterator<char>(in), {}};
    if (!in) wrong(option, fmt::format("\"{}\" cannot be read", file));
    return bytes;
}

struct Described {
    sim::MachineMap map;
    GeometryId arch;
};

Described describe(const FitArguments& a) {
    sim::FirmwareMap firmware = sim::read_map_file(a.machine);
    if (a.arch.empty() && !firmware.isa)
        throw BadInput{{a.machine, {}, "does not tell of which architecture it is", "say it with --arch"}};
    const GeometryId arch = !a.arch.empty()                 ? row_of(a.arch, "--arch", kGeometries).id
                            : *firmware.isa == Isa::kX86_64 ? GeometryId::kX86_64
                                                            : GeometryId::kAArch64_4K;
    return {{geometry_of(arch).isa, std::move(firmware)}, arch};
}

sim::FitRequest request_of(const FitArguments& a, const Described& machine) {
    const auto path = std::filesystem::path(image_folder()) / geometry_of(machine.arch).name / "baton.img";
    sim::FitRequest request{
        .map = machine.map, .kernel = sim::ImageFile::load(path), .image = {}, .scratch = a.scratch};
    sim::ImageConfig config{.options = kOptionScratchFloor};
    if (!a.generation.empty()) config.generation = row_of(a.generation, "--generation", kGenerations).id;
    config.defects = {generation_defects(config.generation), 0};
    if (!a.cma_align.empty()) {
        config.cma_align_bytes = size_of(a.cma_align, "--cma-align", scenarios::kCmaAlignMax);
        if (!is_power_of_two(config.cma_align_bytes) || config.cma_align_bytes < scenarios::kCmaAlignMin)
            wrong("--cma-align", fmt::format("{} is none", a.cma_align), "a power of two from 64K to 1G");
    }
    request.kernel.configure(config);
    if (a.scratch.size() > kScratchCharsMax || a.scratch.find_first_of(" \"\t\n") != std::string::npos)
        wrong("--scratch", "is no value of kho_scratch=", "low,global,node or N%");

    if (!a.image.empty()) {
        request.image = bytes_of(a.image, "--image");
        std::string why;
        const auto bytes = sim::boot_image_bytes(machine.map.isa, request.image, why);
        if (!bytes) wrong("--image", fmt::format("\"{}\" is {}", a.image, why));
        request.image_bytes = *bytes;
    } else if (!a.image_size.empty()) {
        request.image_bytes = size_of(a.image_size, "--image-size", kImageBytesMax);
        request.image = sim::blank_image(machine.arch, request.image_bytes);
    } else {
        wrong("--fit", "which kernel shall fit?", "--image FILE or --image-size SIZE");
    }
    std::error_code error;
    if (!a.initrd.empty() && std::filesystem::is_regular_file(a.initrd, error))
        request.initrd_bytes = std::filesystem::file_size(a.initrd);
    else if (!a.initrd.empty())
        request.initrd_bytes = size_of(a.initrd, "--initrd", scenarios::kInitrdBytesMax);
    return request;
}

std::string hex(u64 n) { return fmt::format("{:#x}", n); }
std::string range_text(PhysRange r) {
    return fmt::format("{:#x}-{:#x}", r.start.value, r.end().value - (r.empty() ? 0 : 1));
}

nlohmann::ordered_json ranges_json(const std::vector<PhysRange>& ranges) {
    auto out = nlohmann::ordered_json::array();
    for (const PhysRange& r : ranges) out.push_back({hex(r.start.value), hex(r.size)});
    return out;
}

std::string machine_text(const Described& machine) {
    std::vector<Row> rows;
    for (const MemoryMapEntry& e : machine.map.entries) {
        rows.push_back({"  " + range_text({e.start, e.size}), sim::memory_type_name(e.type), size_text(e.size)});
        if (machine.map.nodes != 0 && e.type == static_cast<u32>(MemoryType::kRam))
            rows.back().push_back(fmt::format("node {}", e.nid));
    }
    for (const PhysRange& r : machine.map.reserved)
        rows.push_back({"  " + range_text(r), "kept out of the way", size_text(r.size)});
    return fmt::format("{}: {} machine with {} MiB of RAM\n{}", machine.map.name, geometry_of(machine.arch).name,
                       machine.map.ram_bytes / kMiB, columns(rows));
}

std::string fit_text(const sim::FitRequest& request, const sim::FitAnswer& answer,
                     const std::optional<std::string>& smallest) {
    std::string out = fmt::format(
        "{}: image of {} KiB{}, kho_scratch={}\n", answer.fits ? "fits" : "does not fit", request.image_bytes / kKiB,
        request.initrd_bytes != 0 ? fmt::format(", initrd of {} KiB", request.initrd_bytes / kKiB) : "",
        request.scratch.empty() ? "(default)" : request.scratch);
    std::vector<Row> rows;
    for (const sim::FitArea& area : answer.areas)
        rows.push_back({"  scratch", range_text(area.range), size_text(area.range.size),
                        area.range.empty() ? "" : fmt::format("largest hole left: {} KiB", area.largest_hole / kKiB)});
    for (const sim::FitSegment& s : answer.segments)
        rows.push_back({"  " + s.name, range_text(s.at), size_text(s.at.size), ""});
    out += columns(rows);
    if (!answer.segments.empty())
        out += fmt::format("left: {} KiB; a Linux kernel's own memory map takes {} KiB of them{}\n",
                           answer.left_bytes / kKiB, answer.memmap_bytes / kKiB,
                           answer.memmap_fits() ? "" : ", more than there are");
    if (!answer.error.empty()) out += fmt::format("error: {}\n", answer.error);
    for (const std::string& line : answer.log) out += fmt::format("  | {}\n", line);
    if (smallest)
        out += fmt::format("the smallest that fits: kho_scratch={}\n", *smallest);
    else
        out += "no kho_scratch= makes this fit on that machine\n";
    return out;
}

nlohmann::ordered_json fit_json(const sim::FitRequest& request, const sim::FitAnswer& answer,
                                const std::optional<std::string>& smallest) {
    nlohmann::ordered_json out = {{"fits", answer.fits},
                                  {"image_bytes", request.image_bytes},
                                  {"initrd_bytes", request.initrd_bytes},
                                  {"kho_scratch", request.scratch},
                                  {"scratch", nlohmann::ordered_json::array()},
                                  {"segments", nlohmann::ordered_json::array()},
                                  {"left_bytes", answer.left_bytes},
                                  {"memmap_bytes", answer.memmap_bytes},
                                  {"error", answer.error},
                                  {"log", answer.log},
                                  {"smallest_scratch", smallest.value_or("")}};
    for (const sim::FitArea& area : answer.areas)
        out["scratch"].push_back({{"start", hex(area.range.start.value)},
                                  {"size", hex(area.range.size)},
                                  {"largest_hole", hex(area.largest_hole)}});
    for (const sim::FitSegment& s : answer.segments)
        out["segments"].push_back({{"name", s.name}, {"start", hex(s.at.start.value)}, {"size", hex(s.at.size)}});
    return out;
}

Exit answer(const FitArguments& a, bool json) {
    const Described machine = describe(a);
    nlohmann::ordered_json out = {
        {"machine", machine.map.name},        {"arch", geometry_of(machine.arch).name},
        {"ram_bytes", machine.map.ram_bytes}, {"ram", ranges_json(machine.map.ram)},
        {"nodes", machine.map.nodes},         {"reserved", ranges_json(machine.map.reserved)}};
    std::string text = machine_text(machine);
    Exit exit = Exit::kPass;
    if (a.fit) {
        const sim::FitRequest request = request_of(a, machine);
        const sim::FitAnswer fit = sim::try_fit(request);
        const auto smallest = sim::smallest_scratch(request);
        text += fit_text(request, fit, smallest);
        out["fit"] = fit_json(request, fit, smallest);
        if (!fit.fits) exit = Exit::kFail;
    }
    return print(json ? out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n" : text, exit);
}

}  // namespace

Exit check_machine(const FitArguments& arguments, bool json) {
    Diagnostic bad;
    try {
        return answer(arguments, json);
    } catch (const BadInput& e) {
        bad = e.what;
    } catch (const sim::InputError& e) {
        bad = {e.file, {e.line, e.col}, e.what(), e.hint};
    } catch (const sim::MachineError& e) {
        bad = {{}, {}, e.what(), {}};
    } catch (const sim::ImageError& e) {
        bad = {{}, {}, e.what(), {}};
    } catch (const sim::LoaderError& e) {
        bad = {arguments.machine, {}, fmt::format("no kernel boots on this machine: {}", e.what()), {}};
    }
    return print_diagnostics({bad}, json);
}

}  // namespace baton::cli
