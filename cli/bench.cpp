// SPDX-License-Identifier: GPL-2.0-only
// `baton bench blackout`: how long a machine is dark, from 1 GiB to 16 TiB.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "bench/blackout/report.hpp"
#include "cli/choices.hpp"
#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/verbs.hpp"
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/quantity.hpp"
#include "sim/input_error.hpp"

namespace baton::cli {
namespace {

using scenarios::Diagnostic;
using scenarios::quantity_text;

inline constexpr u64 kScratchPercentMax = 10'000;
inline constexpr u64 kCpusMax = 8192;
inline constexpr u64 kDevicesMax = 65536;

/// The options of `bench blackout` as values; collects what is wrong with them.
class Options {
public:
    explicit Options(std::vector<Diagnostic>& diagnostics) : diagnostics_(diagnostics) {}

    void wrong(std::string_view option, const std::string& message, std::string hint) {
        diagnostics_.push_back({{}, {}, fmt::format("{}: {}", option, message), std::move(hint)});
    }
    std::optional<u64> number(std::string_view option, const std::string& word, u64 min, u64 max,
                              const std::string& what) {
        const auto value = scenarios::parse_quantity(word);
        if (!value) {
            wrong(option, value.error().message, value.error().hint);
            return std::nullopt;
        }
        if (*value < min || *value > max) {
            wrong(option, fmt::format("{} is not {}", word, what),
                  fmt::format("{} to {}", quantity_text(min), quantity_text(max)));
            return std::nullopt;
        }
        return *value;
    }
    template <class T>
    std::vector<T> numbers(std::string_view option, const std::vector<std::string>& words, u64 min, u64 max,
                           const std::string& what) {
        std::vector<T> values;
        for (const std::string& word : words)
            if (const auto n = number(option, word, min, max, what))
                if (std::ranges::find(values, static_cast<T>(*n)) == values.end()) values.push_back(static_cast<T>(*n));
        return values;
    }

private:
    std::vector<Diagnostic>& diagnostics_;
};

void check_memory(Options& options, const blackout::Request& request) {
    for (const u64 bytes : request.memory_bytes) {
        if (bytes % scenarios::kRamBytesStep != 0)
            options.wrong("--memory", fmt::format("{} is no multiple of 2M", quantity_text(bytes)), "such as 1G");
        if (request.preserve_bytes && *request.preserve_bytes > bytes)
            options.wrong("--preserve",
                          fmt::format("{} is more than the machine of {} has", quantity_text(*request.preserve_bytes),
                                      quantity_text(bytes)),
                          "a part of the memory; half of it if left out");
    }
}

blackout::Request request_of(const BlackoutArguments& a, std::vector<Diagnostic>& diagnostics) {
    Options options(diagnostics);
    blackout::Request request;
    request.archs = look_up(a.archs, "--arch", kGeometries, &Geometry::id, diagnostics);
    request.generations = look_up(a.generations, "--generation", kGenerations, &GenerationInfo::id, diagnostics);
    request.memory_bytes = options.numbers<u64>("--memory", a.memory, scenarios::kRamBytesMinX86,
                                                scenarios::kRamBytesMax, "a machine's memory");
    request.orders = options.numbers<u32>("--order", a.orders, 0, blackout::kOrderMax, "an order of blocks");
    if (!a.preserve.empty())
        request.preserve_bytes =
            options.number("--preserve", a.preserve, 4 * kKiB, scenarios::kRamBytesMax, "memory to preserve");
    request.run_bytes_max = options.number("--run-max", a.run_max, kMiB, blackout::kHostBytesMax, "memory to preserve")
                                .value_or(blackout::kRunBytesMax);
    request.scratch_percent =
        options.number("--scratch-scale", a.scratch_scale, 1, kScratchPercentMax, "a percentage").value_or(1);
    request.initrd_bytes =
        options.number("--initrd", a.initrd, 0, scenarios::kInitrdBytesMax, "the size of an initrd").value_or(0);
    check_memory(options, request);
    request.image_folder = image_folder();
    return request;
}

/// One line that overwrites itself; only on a terminal.
std::function<void(std::size_t, std::size_t)> progress() {
    if (!standard_error_is_terminal()) return {};
    return [](std::size_t cell, std::size_t cells) {
        std::fputs(fmt::format("\r\x1b[K[{}/{}]", cell + 1, cells).c_str(), stderr);
    };
}

}  // namespace

Exit bench_blackout(const BlackoutArguments& arguments) {
    std::vector<Diagnostic> diagnostics;
    blackout::Request request = request_of(arguments, diagnostics);
    Options options(diagnostics);
    const u64 cpus = options.number("--cpus", arguments.cpus, 1, kCpusMax, "a number of CPUs").value_or(1);
    const u64 devices =
        options.number("--devices", arguments.devices, 0, kDevicesMax, "a number of devices").value_or(0);
    if (!diagnostics.empty()) {
        print_diagnostics(diagnostics, arguments.json);
        return Exit::kUsage;
    }
    try {
        const sim::Profile profile =
            arguments.profile.empty() ? sim::generic_profile() : sim::read_profile(arguments.profile);
        request.on_progress = progress();
        const std::vector<blackout::Cell> cells = blackout::run(request);
        if (request.on_progress) std::fputs("\r\x1b[K", stderr);
        const blackout::ReportStyle style{profile, cpus, devices, arguments.phases, arguments.sources};
        const bool failed = std::ranges::any_of(cells, [](const auto& c) { return c.how == blackout::How::kFailed; });
        return print(arguments.json ? blackout::report_json(request, cells, style)
                                    : blackout::report_text(request, cells, style),
                     failed ? Exit::kFail : Exit::kPass);
    } catch (const sim::InputError& e) {
        return print_diagnostics({{e.file, {e.line, e.col}, e.what(), e.hint}}, arguments.json);
    } catch (const sim::ImageError& e) {
        return print_diagnostics({{{}, {}, e.what(), {}}}, arguments.json);
    }
}

}  // namespace baton::cli
