// SPDX-License-Identifier: GPL-2.0-only
#include "cli/paths.hpp"

#include <filesystem>

namespace baton::cli {
namespace {

namespace fs = std::filesystem;

fs::path binary_folder() {
    std::error_code error;
    const fs::path binary = fs::read_symlink("/proc/self/exe", error);
    return error ? fs::current_path() : binary.parent_path();
}

}  // namespace

std::string image_folder() { return (binary_folder() / "images").string(); }

std::string library_folder() {
    const fs::path library = fs::path("scenarios") / "library";
    std::error_code error;
    for (fs::path folder = binary_folder(); folder.has_relative_path(); folder = folder.parent_path())
        if (fs::is_directory(folder / library, error))
            // Relative where that is shorter to read and to type.
            return fs::equivalent(folder, fs::current_path(error), error) ? library.string()
                                                                          : (folder / library).string();
    return library.string();
}

}  // namespace baton::cli
