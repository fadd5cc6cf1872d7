// SPDX-License-Identifier: GPL-2.0-only
// The files that a run writes beside what it prints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scenarios/engine/diagnostic.hpp"

namespace baton::cli {

class ReportFiles {
public:
    struct File {
        std::string_view option;
        std::string_view path;  // empty: not asked for
        bool stream = false;    // opened by others, and may be a pipe
    };
    explicit ReportFiles(std::vector<File> files) : files_(std::move(files)) {}

    /// What stands in the way of writing them: they cannot be written, two are one file, or one is an input.
    std::vector<scenarios::Diagnostic> check(const std::vector<std::string>& inputs) const;

private:
    std::vector<File> files_;
};

/// Writes all of `text` or leaves the file as it was; then `wrong` says why.
void write_report(const std::string& path, std::string_view text, std::vector<scenarios::Diagnostic>& wrong);

}  // namespace baton::cli
