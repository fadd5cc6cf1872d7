// SPDX-License-Identifier: GPL-2.0-only
// What the zero page says where in two halves: shared by those who read it before and after there is a Kernel.
#pragma once

#include "model/bits.hpp"
#include "model/boot/x86_64/boot_params.hpp"

namespace baton::boot {

/// A writer that left the sentinel did not know the fields added later: they are noise, not zero.
inline bool writer_is_current(const BootParams& params) { return params.sentinel == 0; }

/// 0 = none.
inline PhysAddr command_line_of(const BootParams& params) {
    const u64 high = writer_is_current(params) ? params.ext_cmd_line_ptr : 0;
    return {shl(high, 32) | params.header.cmd_line_ptr};
}

/// Size 0 = none.
inline PhysRange initrd_of(const BootParams& params) {
    const bool current = writer_is_current(params);
    const u64 size = shl(current ? params.ext_ramdisk_size : 0, 32) | params.header.ramdisk_size;
    const u64 image = shl(current ? params.ext_ramdisk_image : 0, 32) | params.header.ramdisk_image;
    if (params.header.type_of_loader == 0 || image == 0 || size == 0) return {};
    return {{image}, size};
}

}  // namespace baton::boot
