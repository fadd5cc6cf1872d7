// SPDX-License-Identifier: GPL-2.0-only
// What early boot of both ISAs does when memblock cannot record a region, because its array is full and cannot grow.
#pragma once

#include "model/platform.hpp"

namespace baton::boot {

/// Linux goes on as if nothing had happened. So do we, but not without a word: memory nobody reserved may be given
/// away.
inline void expect_recorded(const Status& status) {
    if (!status) BATON_WARN();
}

}  // namespace baton::boot
