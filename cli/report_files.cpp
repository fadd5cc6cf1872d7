// SPDX-License-Identifier: GPL-2.0-only
#include "cli/report_files.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "sim/bytes.hpp"
#include "sim/memory/atomic_file.hpp"

namespace baton::cli {
namespace {

namespace fs = std::filesystem;

/// Also of files that are not there yet.
bool same_file(std::string_view a, std::string_view b) {
    std::error_code error;
    if (fs::equivalent(a, b, error)) return true;
    const fs::path first = fs::weakly_canonical(fs::absolute(a, error), error);
    return !error && first == fs::weakly_canonical(fs::absolute(b, error), error) && !error;
}

}  // namespace

std::vector<scenarios::Diagnostic> ReportFiles::check(const std::vector<std::string>& inputs) const {
    std::vector<scenarios::Diagnostic> wrong;
    for (std::size_t i = 0; i < files_.size(); ++i) {
        const File& file = files_[i];
        if (file.path.empty()) continue;
        const std::string path(file.path);
        const std::string hint = fmt::format("{} names a file to write", file.option);
        for (const std::string& input : inputs)
            if (same_file(path, input))
                wrong.push_back({path, {}, "is the scenario, which would be overwritten", hint});
        for (std::size_t k = 0; k < i; ++k)
            if (!files_[k].path.empty() && same_file(path, files_[k].path))
                wrong.push_back(
                    {path, {}, fmt::format("is written by {} too", files_[k].option), "each names a file of its own"});
        if (const std::string why = file.stream ? "" : sim::why_not_writable(path); !why.empty())
            wrong.push_back({path, {}, "cannot be written: " + why, hint});
    }
    return wrong;
}

void write_report(const std::string& path, std::string_view text, std::vector<scenarios::Diagnostic>& wrong) {
    try {
        sim::write_file_atomically(path, {reinterpret_cast<const u8*>(text.data()), text.size()});
    } catch (const sim::SaveError& e) {
        wrong.push_back({{}, {}, e.what(), {}});
    }
}

}  // namespace baton::cli
