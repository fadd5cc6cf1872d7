// SPDX-License-Identifier: GPL-2.0-only
// How a person names a handover on the command line, and what is said about a bad name.
#pragma once

#include "cli/verbs.hpp"
#include "scenarios/engine/diagnostic.hpp"
#include "sim/input_error.hpp"
#include "sim/inspect/inspection.hpp"

namespace baton::cli {

/// Opens the source. Throws InputError.
sim::Source open_handover(const HandoverChoice& choice);
/// The rest of the choice. Throws InputError for words that are no addresses.
sim::InspectOptions options_of(const HandoverChoice& choice);

scenarios::Diagnostic diagnostic_of(const sim::InputError& error);

}  // namespace baton::cli
