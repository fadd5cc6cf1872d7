// SPDX-License-Identifier: GPL-2.0-only
// Scenarios for the explorer's tests, and explorations of them in a folder of their own.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "scenarios/engine/parse.hpp"
#include "scenarios/explore/explorer.hpp"
#include "tests/catch.hpp"
#include "tests/cli/binary.hpp"

namespace baton::scenarios {

/// A DMA engine that nobody stops, armed on a buffer of its own (`target` empty) or on a place.
inline std::string straggler(std::string_view arch, std::string_view target = {}) {
    return fmt::format(
        "title = 'straggler'\nmachine = {{ arch = '{}', ram = '64M' }}\n"
        "[kernel.a]\ncmdline = 'kho=on kho_scratch=8M,8M,8M'\ndefects = ['A2']\n"
        "[kernel.b]\ncmdline = 'kho=on kho_scratch=8M,8M,8M'\n"
        "[device.dma0]\nkind = 'dma_engine'\nhonours_bus_master = false\n"
        "[[step]]\ndo = 'boot'\nkernel = 'a'\n"
        "[[step]]\ndo = 'finalise'\n"
        "[[step]]\ndo = 'kexec_file_load'\nkernel = 'b'\n"
        "[[step]]\ndo = 'dma_start'\ndevice = 'dma0'\n{}"
        "[[step]]\ndo = 'exec'\n",
        arch, target);
}

/// What it hits is the last page that relocation puts in place, and nothing else.
inline std::string last_page(std::string_view arch) {
    return straggler(arch,
                     fmt::format("place = 'segment.{}'\noffset = '508K'\nbytes = '4K'\n", arch == "x86_64" ? 3 : 1));
}

inline Window open(const tests::TemporaryFolder& folder, const std::string& text, WindowChoice choice = {}) {
    choice.file = folder.write("made.toml", text);
    std::vector<Diagnostic> diagnostics;
    auto window = open_window(choice, diagnostics);
    for (const Diagnostic& d : diagnostics) UNSCOPED_INFO(to_text(d));
    REQUIRE(window);
    return std::move(*window);
}

inline ExploreRequest request_for(const tests::TemporaryFolder& folder, u64 runs) {
    ExploreRequest r;
    r.runs = runs;
    r.out = folder.path();
    r.image_folder = BATON_IMAGES;
    return r;
}

}  // namespace baton::scenarios
