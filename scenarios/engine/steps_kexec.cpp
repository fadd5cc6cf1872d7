// SPDX-License-Identifier: GPL-2.0-only
// Steps that load the next kernel and leave for it (docs/specs/kexec.md §1).
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

step::Action parse_file_load(Fields& fields, const StepContext& context) {
    step::KexecFileLoad load;
    load.kernel = parse_kernel_name(fields, context);
    load.command_line = parse_command_line(fields);
    load.initrd_bytes = parse_initrd(fields);
    return load;
}
step::Action parse_unload(Fields&, const StepContext&) { return step::KexecUnload{}; }
step::Action parse_exec(Fields& fields, const StepContext&) {
    return step::Exec{fields.boolean("loses").value_or(false)};
}

}  // namespace

std::span<const StepKind> kexec_steps() {
    static const std::vector<StepKind> kKinds = {
        {"kexec_file_load",
         StepActor::kCommand,
         "load the next kernel",
         {{"kernel", "name", "a `[kernel.NAME]`", true},
          {"cmdline", "text", "instead of the kernel's own"},
          {"initrd", "size", "give it an initrd of this many bytes, generated from the seed"}},
         parse_file_load},
        {"kexec_unload", StepActor::kCommand, "drop the loaded kernel", {}, parse_unload},
        {"exec",
         StepActor::kCommand,
         "reboot into the loaded kernel; done when it takes commands",
         {{"loses", "bool", "memory that is handed over must be lost; false: must not"}},
         parse_exec},
    };
    return kKinds;
}

}  // namespace baton::scenarios
