// SPDX-License-Identifier: GPL-2.0-only
// What each ISA does in its own instructions, for firmware/platform.cpp.
#pragma once

#include "model/platform.hpp"

namespace baton::platform {

/// Of what is addressed where it is linked, and not through the direct map: statics and the boot stack.
PhysAddr phys_in_image(const void* p);

}  // namespace baton::platform

namespace baton::cpu {

/// Orders the stores to a port record before the doorbell.
void store_barrier();
void barrier();
void cache_clean(PhysRange range);
void tlb_flush();
/// Makes `table` the root of the kernel's half of the address space. What the caller runs on is mapped in both.
void load_root(PhysAddr table, u32 asid);
/// To the relocation code, in the state that specs/kexec.md §7.3 or §11.3 asks for.
[[noreturn]] void leave(const platform::Jump& jump);
/// To the entry for moved images of the image at `image`, in the state the boot protocol asks for.
[[noreturn]] void enter(PhysAddr image, u64 argument, PhysAddr loaded);
[[noreturn]] void halt();

}  // namespace baton::cpu

/// First instruction of the relocation code, in the kernel's text; it runs from its copy in the control page.
extern "C" const baton::u8 relocate_kernel[];  // NOLINT(readability-identifier-naming): a label of relocate.S
