// SPDX-License-Identifier: GPL-2.0-only
// `baton diff`: what two handovers have in common, and what not.
#include "sim/inspect/diff.hpp"

#include "cli/handover_choice.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"

namespace baton::cli {

Exit diff(const DiffArguments& arguments) {
    try {
        const sim::Inspection a = sim::inspect(open_handover(arguments.a), options_of(arguments.a));
        const sim::Inspection b = sim::inspect(open_handover(arguments.b), options_of(arguments.b));
        const sim::HandoverDiff d = sim::diff_handovers(a, b, arguments.contents);
        return print(arguments.json ? sim::diff_json(d, a, b) : sim::diff_text(d, a, b, arguments.verbose),
                     d.equal() ? Exit::kPass : Exit::kFail);
    } catch (const sim::InputError& e) {
        return print_diagnostics({diagnostic_of(e)}, arguments.json);
    }
}

}  // namespace baton::cli
