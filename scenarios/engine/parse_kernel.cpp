// SPDX-License-Identifier: GPL-2.0-only
// `[kernel.NAME]`: which image, with what written into its header.
#include <fmt/format.h>

#include <bit>
#include <filesystem>

#include "model/defects.hpp"
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/quantity.hpp"
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

constexpr std::string_view kKernelKeys[] = {"generation", "kexec_base", "cma_align", "options",
                                            "defects",    "cmdline",    "layout",    "image"};

struct OptionInfo {
    ImageOption option;
    std::string_view name;
};
constexpr OptionInfo kOptions[] = {
    {kOptionScratchFloor, "scratch_floor"},
    {kOptionKhoDebug, "kho_debug"},
    {kOptionKhoDefaultOn, "kho_default_on"},
    {kOptionKaslr, "kaslr"},
    {kOptionDeferredInit, "deferred_init"},
    {kOptionKhoDeferred, "kho_deferred_init"},
    {kOptionKfence, "kfence"},
};

u64 parse_cma_align(Fields& fields) {
    const u64 bytes = fields.size("cma_align", kCmaAlignMin, kCmaAlignMax).value_or(0);
    if (bytes != 0 && !std::has_single_bit(bytes))
        fields.error("cma_align", fmt::format("\"cma_align\" is {}", quantity_text(bytes)), "it takes a power of two");
    return bytes;
}

/// "+B15" or "B15" switches a defect on, "-B15" off; a name does as well as the number.
void parse_defect(const Value& value, KernelSpec& kernel, DiagnosticSink& sink) {
    static const std::vector<std::string_view> kKnown = [] {
        std::vector<std::string_view> names = names_of(kDefects, &DefectInfo::id);
        for (const DefectInfo& row : kDefects) names.push_back(row.name);
        return names;
    }();
    Value name = value;
    const bool off = name.text.starts_with('-');
    if (off || name.text.starts_with('+')) name.text.erase(0, 1);
    const auto chosen = as_choice(name, "defects", {"defect", kKnown, "`baton list --defects` shows them"}, sink);
    if (!chosen) return;
    const u32 bit = static_cast<u32>(kDefects[*chosen % std::size(kDefects)].defect);
    const u64 mask = u64{1} << (bit % 64);
    u64& word = kernel.defects[bit / 64];
    word = off ? word & ~mask : word | mask;
}

void parse_image(Fields& fields, const std::string& folder, KernelSpec& kernel) {
    const auto image = fields.text("image");
    if (!image) return;
    kernel.image = (std::filesystem::path(folder) / *image).lexically_normal().string();
    std::error_code error;
    if (!std::filesystem::is_regular_file(kernel.image, error))
        fields.error("image", fmt::format("there is no image file \"{}\"", kernel.image),
                     "the path is relative to the scenario file");
}

KernelSpec parse_kernel(const Entry& entry, const std::string& folder, DiagnosticSink& sink) {
    KernelSpec kernel;
    kernel.name = entry.key;
    kernel.place = entry.place;
    Fields fields(entry.value, entry.place, fmt::format("[kernel.{}]", entry.key), sink);
    fields.allow_only(kKernelKeys);
    if (entry.key.empty() || entry.key.size() > kNameBytesMax)
        sink.add(entry.place, fmt::format("\"{}\" is not a kernel name", entry.key),
                 fmt::format("1 to {} characters", kNameBytesMax));

    static const std::vector<std::string_view> kGenerationNames = names_of(kGenerations);
    if (const auto chosen = fields.choice("generation", {"generation", kGenerationNames}))
        kernel.generation = kGenerations[*chosen].id;
    static const std::vector<std::string_view> kBaseNames = names_of(kKexecBases);
    if (const auto chosen = fields.choice("kexec_base", {"kexec base", kBaseNames}))
        kernel.kexec_base = kKexecBases[*chosen].id;
    kernel.cma_align_bytes = parse_cma_align(fields);

    static const std::vector<std::string_view> kOptionNames = names_of(kOptions);
    // An empty array is meaningful here: none of the options, not the default ones.
    const Value* chosen_options = fields.value("options");
    if (chosen_options != nullptr) {
        kernel.options = 0;
        if (chosen_options->type != Value::Type::kArray || !chosen_options->items.empty())
            for (const Value* v : fields.each("options"))
                if (const auto chosen = as_choice(*v, "options", {"kernel option", kOptionNames}, sink))
                    kernel.options |= kOptions[*chosen].option;
    }
    kernel.defects[0] = generation_defects(kernel.generation);
    for (const Value* v : fields.each("defects")) parse_defect(*v, kernel, sink);
    kernel.command_line = parse_command_line(fields).value_or("");
    static const std::vector<std::string_view> kLayoutNames = names_of(kImageLayouts);
    if (const auto chosen = fields.choice("layout", {"layout", kLayoutNames}))
        kernel.layout = kImageLayouts[*chosen].layout;
    parse_image(fields, folder, kernel);
    if (!kernel.image.empty() && kernel.layout != ImageLayout::kSource)
        fields.error("layout", "\"layout\" chooses among the build's images, and \"image\" names another",
                     "one of the two");
    return kernel;
}

}  // namespace

std::vector<KernelSpec> parse_kernels(const Value& root, const std::string& folder, DiagnosticSink& sink) {
    std::vector<KernelSpec> kernels;
    const Entry* all = root.find("kernel");
    constexpr std::string_view kForm = "[kernel.a] and its keys";
    if (all == nullptr) {
        sink.add({1, 1}, "the scenario has no kernel", std::string("add ") + std::string(kForm));
        return kernels;
    }
    if (all->value.type != Value::Type::kTable) {
        sink.add(all->value.place, fmt::format("\"kernel\" is {}", all->value.type_name()), std::string(kForm));
        return kernels;
    }
    if (all->value.entries.size() > kKernelsMax)
        sink.add(all->place, fmt::format("{} kernels are too many", all->value.entries.size()),
                 fmt::format("at most {}", kKernelsMax));
    for (const Entry& entry : all->value.entries) {
        if (entry.value.type == Value::Type::kTable)
            kernels.push_back(parse_kernel(entry, folder, sink));
        else
            sink.add(entry.place, fmt::format("\"kernel.{}\" is {}", entry.key, entry.value.type_name()),
                     "a kernel has a name: " + std::string(kForm));
    }
    return kernels;
}

}  // namespace baton::scenarios
