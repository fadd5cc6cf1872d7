// SPDX-License-Identifier: GPL-2.0-only
// Steps that act on the machine as a whole: power, saving, host pokes.
#include <filesystem>

#include "scenarios/engine/steps.hpp"
#include "sim/input_error.hpp"

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

std::shared_ptr<const sim::Capture> parse_capture(Fields& fields, const StepContext& context) {
    const auto name = fields.text("capture");
    if (!name) return nullptr;
    if (name->empty() || name->find('\0') != std::string::npos) {
        fields.error("capture", "\"capture\" is not a path");
        return nullptr;
    }
    try {
        const auto folder = (std::filesystem::path(context.folder) / *name).lexically_normal();
        return std::make_shared<const sim::Capture>(sim::read_capture(folder));
    } catch (const sim::InputError& e) {
        fields.error("capture", to_text({e.file, {e.line, e.col}, e.what(), {}}), e.hint);
        return nullptr;
    }
}

step::Action parse_boot(Fields& fields, const StepContext& context) {
    step::Boot boot;
    boot.kernel = parse_kernel_name(fields, context);
    boot.command_line = parse_command_line(fields);
    boot.initrd_bytes = parse_initrd(fields);
    boot.capture = parse_capture(fields, context);
    if (boot.capture && fields.has("initrd"))
        fields.error("initrd", "a captured handover has the initrd that it was captured with", "drop one of the two");
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
          {"initrd", "size", "give it an initrd of this many bytes, generated from the seed"},
          {"capture", "path", "in the middle of a handover: a folder that `baton export` or a real kernel left"}},
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
