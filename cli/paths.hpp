// SPDX-License-Identifier: GPL-2.0-only
// Where the files that belong to this binary lie, whatever the current folder is.
#pragma once

#include <string>

namespace baton::cli {

/// The kernel images, beside the binary.
std::string image_folder();

/// The scenario library of the tree this binary was built in (build/PRESET/baton), else of the current folder.
std::string library_folder();

}  // namespace baton::cli
