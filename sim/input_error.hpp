// SPDX-License-Identifier: GPL-2.0-only
// Bad input from a person, found below the layer that prints diagnostics: where, what is wrong, what would be right.
//
// The command turns it into its own diagnostic (architecture §9) and exits with 3.
#pragma once

#include <stdexcept>
#include <string>

#include "model/types.hpp"

namespace baton::sim {

class InputError : public std::runtime_error {
public:
    /// Line and column count from 1; 0 when the file as a whole, or no text file, is meant.
    InputError(std::string in_file, u32 at_line, u32 at_col, const std::string& message,
               std::string what_would_be_right = {})
        : std::runtime_error(message),
          file(std::move(in_file)),
          line(at_line),
          col(at_col),
          hint(std::move(what_would_be_right)) {}
    InputError(std::string in_file, const std::string& message, std::string what_would_be_right = {})
        : InputError(std::move(in_file), 0, 0, message, std::move(what_would_be_right)) {}

    std::string file;
    u32 line;
    u32 col;
    std::string hint;
};

}  // namespace baton::sim
