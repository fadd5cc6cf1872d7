// SPDX-License-Identifier: GPL-2.0-only
// Who a frame can belong to: the vocabulary of `platform::own` and of the ownership map (architecture §7).
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class Owner : u8 {
    kNobody,
    kFree,
    kFirmware,
    kKernel,
    kKernelImage,
    kPageTables,
    kUser,
    kScratch,
    kImageSource,
    kImageList,
    kControl,
    kPreserved,
    kHandedOver,  // preserved by the kernel before, and not restored yet
    kHandoverMetadata,
    kMmio,
    kDma,
    kCount,
};

inline constexpr std::string_view kOwnerNames[] = {
    "nobody",  "free",         "firmware",   "kernel",       "kernel image", "page tables", "user",
    "scratch", "image source", "image list", "control page", "preserved",    "handed over", "handover metadata",
    "mmio",    "dma buffer",
};
static_assert(sizeof(kOwnerNames) / sizeof(kOwnerNames[0]) == static_cast<u32>(Owner::kCount));
constexpr std::string_view name(Owner o) { return kOwnerNames[static_cast<u32>(o)]; }

}  // namespace baton
