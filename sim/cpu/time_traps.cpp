// SPDX-License-Identifier: GPL-2.0-only
#include "sim/cpu/time_traps.hpp"

#include <algorithm>
#include <iterator>

namespace baton::sim {

std::optional<TimeSource> time_source(const SystemRegister& reg) {
    struct Row {
        SystemRegister reg;
        TimeSource source;
    };
    static constexpr Row kRows[] = {
        {{3, 3, 14, 0, 1}, kTimePhysicalCounter}, {{3, 3, 14, 0, 5}, kTimePhysicalCounter},
        {{3, 3, 14, 0, 2}, kTimeVirtualCounter},  {{3, 3, 14, 0, 6}, kTimeVirtualCounter},
        {{3, 3, 14, 2, 0}, kTimePhysicalTimer},   {{3, 3, 14, 3, 0}, kTimeVirtualTimer},
        {{3, 3, 9, 13, 0}, kTimeCycleCounter},    {{3, 3, 2, 4, 0}, kTimeRandom},
        {{3, 3, 2, 4, 1}, kTimeRandom},
    };
    const auto* row = std::ranges::find(kRows, reg, &Row::reg);
    if (row == std::end(kRows)) return std::nullopt;
    return row->source;
}

}  // namespace baton::sim
