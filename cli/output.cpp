// SPDX-License-Identifier: GPL-2.0-only
#include "cli/output.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace baton::cli {

Exit print(std::string_view text, Exit exit) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (written && std::fflush(stdout) == 0) return exit;
    if (errno == EPIPE) return exit;
    return print_diagnostics({{"standard output", {}, fmt::format("cannot be written: {}", std::strerror(errno)), {}}},
                             false);
}

Exit print_diagnostics(const std::vector<scenarios::Diagnostic>& diagnostics, bool json) {
    if (json) return print(scenarios::error_json(diagnostics) + "\n", Exit::kBadInput);
    for (const scenarios::Diagnostic& d : diagnostics) {
        const std::string line = scenarios::to_text(d) + "\n";
        std::fwrite(line.data(), 1, line.size(), stderr);
    }
    return Exit::kBadInput;
}

bool standard_output_is_terminal() { return isatty(STDOUT_FILENO) != 0; }
bool standard_error_is_terminal() { return isatty(STDERR_FILENO) != 0; }

std::string columns(const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (const Row& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            text += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
        text += "\n";
    }
    return text;
}

}  // namespace baton::cli
