// SPDX-License-Identifier: GPL-2.0-only
// `baton shrink`: the same finding with fewer turns, in a file beside the first.
#include "scenarios/explore/shrink.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/output.hpp"
#include "cli/paths.hpp"
#include "cli/verbs.hpp"
#include "sim/bytes.hpp"
#include "sim/memory/atomic_file.hpp"

namespace baton::cli {
namespace {

using nlohmann::ordered_json;
using scenarios::Diagnostic;

ordered_json counts_json(const scenarios::ShrinkCounts& c) {
    return {{"devices", c.devices}, {"turns", c.turns}, {"moves", c.moves}};
}

}  // namespace

Exit shrink(const ShrinkArguments& arguments) {
    std::vector<Diagnostic> diagnostics;
    const auto window = scenarios::open_window({.file = arguments.file, .keep_turns = true}, diagnostics);
    if (!window) return print_diagnostics(diagnostics, arguments.json);
    if (!window->record)
        return print_diagnostics({{arguments.file,
                                   {1, 1},
                                   "the file has no [replay]: it shows no finding to keep",
                                   "`baton explore` writes such files"}},
                                 arguments.json);
    try {
        const scenarios::Shrunk shrunk = scenarios::shrink(*window, image_folder());
        std::filesystem::path path = arguments.file;
        path.replace_filename(path.stem().string() + "-shrunk" + path.extension().string());
        sim::write_file_atomically(path, {reinterpret_cast<const u8*>(shrunk.text.data()), shrunk.text.size()});
        if (arguments.json) {
            const ordered_json out = {{"finding", shrunk.identity},
                                      {"from", counts_json(shrunk.from)},
                                      {"to", counts_json(shrunk.to)},
                                      {"runs", shrunk.runs},
                                      {"file", path.string()}};
            return print(out.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n", Exit::kPass);
        }
        return print(fmt::format("{}\n  from {} turns of {} devices ({} moves) to {} of {} ({}), in {} runs\n"
                                 "  baton replay {}\n",
                                 shrunk.identity, shrunk.from.turns, shrunk.from.devices, shrunk.from.moves,
                                 shrunk.to.turns, shrunk.to.devices, shrunk.to.moves, shrunk.runs, path.string()),
                     Exit::kPass);
    } catch (const scenarios::Unplayable& e) {
        return print_diagnostics({{arguments.file, {}, e.message, {}}}, arguments.json);
    } catch (const sim::SaveError& e) {
        return print_diagnostics({{{}, {}, e.what(), {}}}, arguments.json);
    }
}

}  // namespace baton::cli
