// SPDX-License-Identifier: GPL-2.0-only
// Steps that act on the machine as a whole: power, saving, host pokes.
#include <filesystem>

#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

std::string parse_path(Fields& fields, const StepContext& context) {
    const auto file = fields.text("file");
    if (!file) return {};
    if (file->empty() || file->find('\0') != std::string::npos) {
        fields.error("file", "\"file\" is not a path");
        return {};
    }
    return (std::filesystem::path(context.folder) / *file).lexically_normal().string();
}

step::Action parse_boot(Fields& fields, const StepContext& context) {
    step::Boot boot;
    boot.kernel = parse_kernel_name(fields, context);
    boot.command_line = parse_command_line(fields);
    boot.initrd_bytes = parse_initrd(fields);
    return boot;
}
step::Action parse_continue(Fields&, const StepContext&) { return step::Continue{}; }
step::Action parse_poke_step(Fields& fields, const StepContext&) { return step::HostPoke{parse_poke(fields)}; }
step::Action parse_save(Fields& fields, const StepContext& context) { return step::Save{parse_path(fields, context)}; }
step::Action parse_load(Fields& fields, const StepContext& context) { return step::Load{parse_path(fields, context)}; }

}  // namespace

std::span<const StepKind> machine_steps() {
    static const std::vector<StepKind> kKinds = {
        {"boot",
         StepActor::kBoot,
         "power on with this kernel; done when it takes commands",
         {{"kernel", "name", "a `[kernel.NAME]`", true},
          {"cmdline", "text", "instead of the kernel's own"},
          {"initrd", "size", "give it an initrd of this many bytes, generated from the seed"}},
         parse_boot},
        {"continue",
         StepActor::kCommand,
         "go on after a `break`, or after loading a machine saved at one",
         {},
         parse_continue},
        {"poke",
         StepActor::kHost,
         "the host changes memory behind the kernel's back",
         {std::begin(kPokeKeys), std::end(kPokeKeys)},
         parse_poke_step},
        {"save",
         StepActor::kHost,
         "write the machine to a file",
         {{"file", "path", "relative to the scenario file", true}},
         parse_save},
        {"load",
         StepActor::kHost,
         "replace the machine by one from a file",
         {{"file", "path", "relative to the scenario file", true}},
         parse_load},
    };
    return kKinds;
}

}  // namespace baton::scenarios
