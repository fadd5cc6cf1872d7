// SPDX-License-Identifier: GPL-2.0-only
// What a person is told about bad input (architecture §9): where, what is wrong, and what would be right.
//
// Never an assert, never a partial run. Text form `file:line:col: message (hint)`; JSON form of decision D31.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/types.hpp"

namespace baton::scenarios {

/// A position in a text file, both from 1; 0:0 when the file as a whole is meant.
struct Place {
    u32 line = 0;
    u32 col = 0;
};

struct Diagnostic {
    std::string file;
    Place place;
    std::string message;  // what is wrong
    std::string hint;     // what would be right; may be empty
};

/// Collects what is wrong with one file, up to kDiagnosticsMax, in the order of their places.
class DiagnosticSink {
public:
    explicit DiagnosticSink(std::string file) : file_(std::move(file)) {}
    void add(Place place, std::string message, std::string hint = {});
    bool empty() const { return found_.empty(); }
    /// How many were added, kept or not.
    u64 count() const { return count_; }
    /// Sorted by place; a last one tells how many were left out.
    std::vector<Diagnostic> take();

private:
    std::string file_;
    std::vector<Diagnostic> found_;
    u64 count_ = 0;
};

/// `file:line:col: message (hint)`; without line and column when the file as a whole is meant.
std::string to_text(const Diagnostic& diagnostic);
nlohmann::json to_json(const Diagnostic& diagnostic);

/// The `{"error": …}` object of decision D31, as text: the first diagnostic; with more than one also `"errors": […]`.
std::string error_json(const std::vector<Diagnostic>& diagnostics);

/// The name nearest to `word` by edit distance, or empty when none is near enough to be a slip of the pen.
std::string_view nearest(std::string_view word, std::span<const std::string_view> names);

/// `did you mean "x"? one of "x", "y"`; more than a dozen names are left to `elsewhere`, such as "`baton points` lists
/// them".
/// them").
std::string suggestion(std::string_view word, std::span<const std::string_view> names, std::string_view elsewhere = {});

/// `"x", "y", "z"`.
std::string quoted_list(std::span<const std::string_view> names);

}  // namespace baton::scenarios
