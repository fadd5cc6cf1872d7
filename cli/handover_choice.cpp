// SPDX-License-Identifier: GPL-2.0-only
#include "cli/handover_choice.hpp"

#include <fmt/format.h>

#include "scenarios/engine/quantity.hpp"

namespace baton::cli {
namespace {

u64 number(const std::string& option, std::string_view text, u64 max) {
    const auto value = scenarios::parse_quantity(text);
    if (!value) throw sim::InputError("", fmt::format("{}: {}", option, value.error().message), value.error().hint);
    if (*value > max)
        throw sim::InputError("", fmt::format("{}: {:#x} is no physical address or size", option, *value),
                              fmt::format("at most {:#x}", max));
    return *value;
}

}  // namespace

sim::Source open_handover(const HandoverChoice& choice) {
    if (choice.raw.empty()) {
        if (choice.source.empty())
            throw sim::InputError("", "there is nothing to inspect",
                                  "a capture, a dump, a saved machine, or --raw FILE@BASE");
        return sim::open_source(choice.source);
    }
    if (!choice.source.empty())
        throw sim::InputError(choice.source, "is given beside --raw", "one source: --raw may be given several times");
    std::vector<sim::RawPart> parts;
    for (const std::string& text : choice.raw) {
        const auto part = sim::parse_raw_part(text);
        if (!part)
            throw sim::InputError("", fmt::format("--raw {}: is no FILE@BASE", text),
                                  "the physical address of the file's first byte: mem.bin@0x40000000");
        parts.push_back(*part);
    }
    return sim::open_raw(parts);
}

sim::InspectOptions options_of(const HandoverChoice& choice) {
    sim::InspectOptions out;
    out.generation = choice.generation;
    if (!choice.generation.empty() && sim::format_named(choice.generation) == nullptr) {
        std::vector<std::string_view> names;
        for (const sim::HandoverFormat& f : sim::formats()) names.push_back(f.generation);
        throw sim::InputError("", fmt::format("--generation: unknown name \"{}\"", choice.generation),
                              scenarios::suggestion(choice.generation, names));
    }
    if (!choice.fdt.empty()) out.fdt = PhysAddr{number("--fdt", choice.fdt, sim::kPhysEnd - 1)};
    if (!choice.scratch.empty()) {
        const auto comma = choice.scratch.find(',');
        if (comma == std::string::npos)
            throw sim::InputError("", fmt::format("--scratch {}: has no length", choice.scratch),
                                  "address and length in bytes of the array: 0x1eff0000,48");
        out.scratch = PhysRange{{number("--scratch", choice.scratch.substr(0, comma), sim::kPhysEnd - 1)},
                                number("--scratch", choice.scratch.substr(comma + 1), kMiB)};
    }
    if (!choice.page_size.empty()) {
        const u64 bytes = number("--page-size", choice.page_size, 65536);
        for (u32 shift : {12u, 14u, 16u})
            if (bytes == u64{1} << shift) out.page_shift = shift;
        if (!out.page_shift)
            throw sim::InputError("", fmt::format("--page-size: {} is no page size", bytes), "4K, 16K or 64K");
    }
    return out;
}

scenarios::Diagnostic diagnostic_of(const sim::InputError& e) { return {e.file, {e.line, e.col}, e.what(), e.hint}; }

}  // namespace baton::cli
