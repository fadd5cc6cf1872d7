// SPDX-License-Identifier: GPL-2.0-only
// The table of step kinds: what `do = "…"` can be. It feeds the parser, `baton list --steps`, and the test of the docs.
//
// To add a step: a struct in scenario.hpp, a row in a steps_*.cpp file with its keys and parse function, a paragraph in
// docs/scenarios.md, and its execution in the runner.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "scenarios/engine/fields.hpp"
#include "scenarios/engine/scenario.hpp"

namespace baton::scenarios {

/// Who acts in a step, and with it which of the common keys it takes.
enum class StepActor : u32 {
    kHost,     // the simulator: no kernel runs, nothing can be awaited
    kBoot,     // a kernel runs, but returns no errno: expect_verdict, expect_panic, break, at
    kCommand,  // a kernel executes a command: those, expect_error and fail_alloc
};

struct StepKey {
    std::string_view name;
    std::string_view form;  // "size", "region", "bool", …
    std::string_view meaning;
    bool required = false;
};

struct StepContext {
    const std::vector<KernelSpec>& kernels;
    const std::vector<sim::DeviceConfig>& devices;
    std::string folder;  // of the scenario file; relative paths start here
};

struct StepKind {
    std::string_view name;
    StepActor actor;
    std::string_view meaning;
    std::vector<StepKey> keys;
    /// Reads the keys of its own. What it returns counts only if nothing was reported.
    step::Action (*parse)(Fields& fields, const StepContext& context);
};

/// Keys that steps of an actor take beside their own (without `do`).
std::span<const StepKey> common_keys(StepActor actor);

/// All kinds, in the order of the documentation.
std::span<const StepKind> step_kinds();
const StepKind* find_step_kind(std::string_view name);

// The groups; each has a file of its own.
std::span<const StepKind> machine_steps();
std::span<const StepKind> memory_steps();
std::span<const StepKind> kho_steps();
std::span<const StepKind> kexec_steps();
std::span<const StepKind> page_steps();
std::span<const StepKind> device_steps();
std::span<const StepKind> expect_steps();

// Keys that several kinds share.
inline constexpr StepKey kRangeKeys[] = {
    {"region", "name", "the region, or"},
    {"phys", "address", "a physical address instead (one page unless `pages` says more)"},
    {"first", "integer", "page of the region to start at; 0"},
    {"pages", "integer", "how many pages; to the end of the region"},
    {"as", "\"folio\" or \"pages\"", "how; as the region was allocated"},
};
inline constexpr StepKey kPokeKeys[] = {
    {"region", "name", "a region, or"},
    {"place", "place", "a named place (`baton list --places`), or"},
    {"phys", "address", "a physical address"},
    {"offset", "size", "bytes into it; 0"},
    {"bytes", "hex", "what to write, or"},
    {"xor", "hex", "what to change bits with"},
    {"repeat", "count", "how often, one after the other, or \"all\" of the place; 1"},
};
Range parse_range(Fields& fields);
Poke parse_poke(Fields& fields);
PlaceName parse_place(Fields& fields);
/// `device = "nic0"`: index into Scenario::devices.
u32 parse_device_name(Fields& fields, const StepContext& context, std::string_view key = "device");
u32 parse_kernel_name(Fields& fields, const StepContext& context);
std::optional<std::string> parse_command_line(Fields& fields);
u64 parse_initrd(Fields& fields);
std::optional<SitePoint> parse_site_point(const Value& value, std::string_view key, DiagnosticSink& sink);
/// `SITE`, `SITE#3`, `SITE#3+`, `SITE#each`.
std::optional<RefusedAlloc> parse_refused_alloc(const Value& value, DiagnosticSink& sink);

}  // namespace baton::scenarios
