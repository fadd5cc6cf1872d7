// SPDX-License-Identifier: GPL-2.0-only
// A finding with fewer turns: devices that it does not need go first, then turns, then what they do oddly.
#pragma once

#include <optional>
#include <string>

#include "scenarios/explore/player.hpp"
#include "scenarios/explore/window.hpp"

namespace baton::scenarios {

struct ShrinkCounts {
    u64 devices = 0;  // that have turns
    u64 turns = 0;    // in the file
    u64 moves = 0;    // of devices: turns, each as often as it says
};

struct Shrunk {
    ShrinkCounts from;
    ShrinkCounts to;
    u64 runs = 0;  // tried
    std::string identity;
    std::string text;  // the file, with a fresh [replay]
};

/// `window` was opened with its turns kept, from a file that has a [replay]. Throws Unplayable, also when the run of
/// the file does not show what it says.
Shrunk shrink(const Window& window, const std::string& image_folder);

}  // namespace baton::scenarios
