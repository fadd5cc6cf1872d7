// SPDX-License-Identifier: GPL-2.0-only
// The initcall of KHO: from here on this kernel can hand over (specs/kho.md §1.2, §3.1 "release").
#include "model/kho/outgoing.hpp"
#include "model/kho/scratch.hpp"

namespace baton::kho {

void init(Kernel& k) {
    if (k.kho.enabled == 0) return;
    const bool cold = k.kho.scratch_inherited == 0;
    if (!outgoing::prepare(k)) {
        if (cold) give_up_scratch(k);
        k.kho.enabled = 0;
        platform::log(LogLevel::kWarn, Log::kKhoDisabled);
        return;
    }
    if (cold) release_scratch(k);
    platform::log(LogLevel::kInfo, Log::kKhoEnabled, k.kho.fdt.value);
}

}  // namespace baton::kho
