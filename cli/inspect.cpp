// SPDX-License-Identifier: GPL-2.0-only
// `baton inspect`: reads a handover out of a capture, a dump or a saved machine, and says what does not add up.
#include <fmt/format.h>

#include "cli/handover_choice.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "sim/bytes.hpp"
#include "sim/input_error.hpp"
#include "sim/inspect/report.hpp"
#include "sim/memory/atomic_file.hpp"

namespace baton::cli {
namespace {

void write_picture(const std::string& file, const std::string& svg) {
    sim::write_file_atomically(file, {reinterpret_cast<const u8*>(svg.data()), svg.size()});
}

}  // namespace

Exit inspect(const InspectArguments& arguments) {
    try {
        const sim::Inspection inspection =
            sim::inspect(open_handover(arguments.handover), options_of(arguments.handover));
        if (!arguments.svg.empty()) write_picture(arguments.svg, sim::inspection_svg(inspection));
        return print(
            arguments.json ? sim::inspection_json(inspection) : sim::inspection_text(inspection, arguments.verbose),
            inspection.has_errors() ? Exit::kFail : Exit::kPass);
    } catch (const sim::InputError& e) {
        return print_diagnostics({diagnostic_of(e)}, arguments.json);
    } catch (const sim::SaveError& e) {
        return print_diagnostics({{{}, {}, e.what(), {}}}, arguments.json);
    }
}

}  // namespace baton::cli
