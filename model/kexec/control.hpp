// SPDX-License-Identifier: GPL-2.0-only
// What relocation runs on: the control code page, the swap page and page tables (specs/kexec.md §3.2, §7.1, §11.2).
//
// All of it is touched after copying has begun, so all of it lies in control pages, which no destination overlaps.
#pragma once

#include "model/kexec/kexec.hpp"

namespace baton::kexec {

/// The control code page (cleared) and the swap page. ENOMEM.
Status alloc_control(Kernel& k, Kimage& image);
/// The running kernel's relocation code goes to the control page: x86-64 at exec, AArch64 at load.
void copy_relocation_code(const Kernel& k, const Kimage& image);

/// x86-64, before segments are copied: the identity map that relocation, purgatory and entry run under, and the mapping
/// that carries the CPU over the change of tables (§7.1, §7.2). ENOMEM.
Status build_identity_map(Kernel& k, Kimage& image);
/// AArch64, after segments were copied: a writable copy of the linear map for TTBR1, the code page and its identity
/// map for TTBR0 (§11.2). ENOMEM.
Status build_linear_copy(Kernel& k, Kimage& image);

/// Frees control pages, and the tables of the transition mapping.
void free_control(Kernel& k, Kimage& image);

}  // namespace baton::kexec
