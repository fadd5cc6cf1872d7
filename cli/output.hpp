// SPDX-License-Identifier: GPL-2.0-only
// Where words go: results to standard output, diagnostics to standard error or, with --json, to standard output.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/verbs.hpp"
#include "scenarios/engine/diagnostic.hpp"

namespace baton::cli {

/// Writes everything and flushes. A reader that went away (`baton list | head`) is not an error; a full disk is:
/// then it is said on standard error and the answer is kBadInput. Otherwise `exit` is returned.
Exit print(std::string_view text, Exit exit);

/// Prints what is wrong, in the form that was asked for, and returns kBadInput.
Exit print_diagnostics(const std::vector<scenarios::Diagnostic>& diagnostics, bool json);

bool standard_output_is_terminal();
bool standard_error_is_terminal();

/// A table in columns: each as wide as its widest cell, the last one ragged.
using Row = std::vector<std::string>;
std::string columns(const std::vector<Row>& rows);

}  // namespace baton::cli
