// SPDX-License-Identifier: GPL-2.0-only
// The handovers of real kernels in tests/data/linux-kho, as folders and as memory that a test may damage.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sim/inspect/inspection.hpp"

namespace baton::test {

inline const std::filesystem::path kCaptureFolder = std::filesystem::path(BATON_SOURCE_DIR) / "tests/data/linux-kho";
inline constexpr const char* kCaptureNames[] = {"x86_64-6.16", "aarch64-6.16", "x86_64-6.18-test_kho",
                                                "aarch64-v2-radix"};

/// A capture whose segments are bytes of this object; `source` reads them, as they are now.
class LooseCapture {
public:
    struct Segment {
        PhysAddr phys;
        std::vector<u8> bytes;
        std::string file;
    };
    explicit LooseCapture(const std::filesystem::path& folder);

    /// What inspect() makes of it. `expect` of the manifest is left out: it is not memory.
    sim::Inspection inspect(const sim::InspectOptions& options = {}) const;

    sim::Source source;
    std::vector<std::unique_ptr<Segment>> segments;
};

/// All that an inspection says, without what is only how it says it.
bool same_findings(const sim::Inspection& a, const sim::Inspection& b);

}  // namespace baton::test
