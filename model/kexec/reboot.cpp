// SPDX-License-Identifier: GPL-2.0-only
// reboot(KEXEC): the way out of a kernel, in Linux's order (specs/kexec.md §10, §12: P1 … P6).
//
// Each step is a schedule point: until the jump, and after it, devices that nobody stopped go on writing.
#include "model/kernel.hpp"
#include "model/kexec/control.hpp"

namespace baton::kexec {
namespace {

platform::Jump jump_of(const Kernel& k) {
    const Kimage& image = k.kexec.image;
    const bool x86 = geometry(k).isa == Isa::kX86_64;
    return {.head = image.head,
            .start = image.start,
            .control_page = image.control_code_page,
            .root = image.root,
            .idmap_root = image.idmap_root,
            .swap_page = image.swap_page,
            .argument = image.argument,
            .page_size = geometry(k).page_size(),
            .three_way_swap = x86 && k.config.kexec_base == static_cast<u32>(KexecBase::k6_12)};
}

}  // namespace

Status reboot(Kernel& k) {
    if (k.kexec.image.loaded == 0) return fail(Errno::kEINVAL);
    if (k.kexec.in_progress) return fail(Errno::kEBUSY);
    const bool x86 = geometry(k).isa == Isa::kX86_64;
    k.kexec.in_progress = 1;
    platform::at(Site::kRebootBegin);
    platform::at(Site::kRebootNotifiers);
    platform::at(Site::kRebootDevices);
    drivers::shutdown(k);
    if (!x86) drivers::shutdown_iommu(k);  // the SMMU is a platform device like others
    platform::at(Site::kRebootCpus);
    if (x86) platform::at(Site::kRebootIommu);
    if (x86) drivers::shutdown_iommu(k);
    if (x86) copy_relocation_code(k, k.kexec.image);
    const platform::Jump jump = jump_of(k);
    platform::at(Site::kKexecJump, jump.head, jump.start.value);
    platform::jump(jump);
}

}  // namespace baton::kexec
