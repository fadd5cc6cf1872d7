// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/steps.hpp"

#include <fmt/format.h>

#include <charconv>

#include "model/kexec/kexec.hpp"
#include "model/mm/alloc_failure.hpp"
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/quantity.hpp"

namespace baton::scenarios {
namespace {

constexpr StepKey kCommonKeys[] = {
    {"break", "site", "stop at this schedule point, e.g. \"relocate.page#3\"; `continue` goes on"},
    {"at", "tables", "`[[step.at]]`: `site` and the keys of `poke`, done by the host when the site is reached"},
    {"expect_verdict", "verdict", "the kernel must end like this (`baton list --verdicts`)"},
    {"expect_panic", "text", "the kernel must panic, with a message that contains this"},
    {"expect_census", "text", "the page census after the step must find something wrong, and say this"},
    {"turn", "tables",
     "`[[step.turn]]`: `site`, `device`, `do` (\"post\", \"deliver\", \"both\"), `times`, `after` "
     "(instructions of a guest): a device moves there"},
    {"expect_race", "race", "forbidden writes of devices must be this race, or each of these (`baton list --races`)"},
    {"expect_claim", "text", "what kernels say of memory in this step must be wrong, and one such fault say this"},
    {"expect_error", "errno", "the command must fail with this, e.g. \"EADDRNOTAVAIL\""},
    {"fail_alloc", "site",
     "refuse memory at this site (`baton list --allocs`), e.g. \"kexec.source#3\" or \"any#each\""},
};

}  // namespace

std::span<const StepKey> common_keys(StepActor actor) {
    const std::span all(kCommonKeys);
    switch (actor) {
        case StepActor::kHost: return {};
        case StepActor::kBoot: return all.first(all.size() - 2);
        case StepActor::kCommand: return all;
    }
    return {};
}

std::span<const StepKind> step_kinds() {
    static const std::vector<StepKind> kKinds = [] {
        std::vector<StepKind> all;
        for (const std::span<const StepKind> group : {machine_steps(), memory_steps(), kho_steps(), kexec_steps(),
                                                      page_steps(), device_steps(), expect_steps()})
            all.insert(all.end(), group.begin(), group.end());
        return all;
    }();
    return kKinds;
}

const StepKind* find_step_kind(std::string_view name) {
    for (const StepKind& kind : step_kinds())
        if (kind.name == name) return &kind;
    return nullptr;
}

Range parse_range(Fields& fields) {
    Range range;
    constexpr std::string_view kWhere[] = {"region", "phys"};
    const auto where = fields.exactly_one(kWhere);
    if (where == "region") range.region = fields.name("region").value_or("");
    if (where == "phys") {
        if (const auto address = fields.quantity("phys", true)) range.at = PhysAddr{*address};
        if (fields.has("first"))
            fields.error("first", "\"first\" counts pages of a region", "with \"phys\", give the address itself");
    }
    range.first = fields.integer("first", 0, kPagesMax).value_or(0);
    range.pages = fields.integer("pages", 1, kPagesMax);
    constexpr std::string_view kKinds[] = {"folio", "pages"};
    if (const auto kind = fields.choice("as", {"way to treat blocks", kKinds}))
        range.as = *kind == 0 ? BlockKind::kFolio : BlockKind::kPages;
    return range;
}

/// `place = "kho.fdt"`, `place = "segment.3"`.
PlaceName parse_place(Fields& fields) {
    PlaceName place;
    const Value& value = *fields.value("place");
    constexpr std::string_view kSegmentPrefix = "segment.";
    if (value.type == Value::Type::kText && value.text.starts_with(kSegmentPrefix)) {
        place.kind = PlaceKind::kSegment;
        const std::string_view digits = std::string_view(value.text).substr(kSegmentPrefix.size());
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), place.segment);
        if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() ||
            place.segment >= kKexecSegmentsMax)
            fields.error("place", fmt::format("\"{}\" is not a segment", value.text),
                         fmt::format("\"segment.0\" to \"segment.{}\"", kKexecSegmentsMax - 1));
        return place;
    }
    std::vector<std::string_view> names;
    std::vector<PlaceKind> kinds;
    for (const PlaceInfo& row : kPlaces) {
        if (row.name.empty()) continue;
        names.push_back(row.name);
        kinds.push_back(row.kind);
    }
    if (const auto chosen = fields.choice("place", {"place", names})) place.kind = kinds[*chosen];
    return place;
}

namespace {

/// `repeat = 5`, or `repeat = "all"` of a place that ends somewhere.
u64 parse_repeat(Fields& fields, const Poke& poke) {
    const Value& value = *fields.value("repeat");
    if (value.type == Value::Type::kText) {
        const PlaceKind kind = poke.target.kind;
        if (value.text != "all" ||
            (kind != PlaceKind::kKernelText && kind != PlaceKind::kSegment && kind != PlaceKind::kFreeLists))
            fields.error("repeat", fmt::format("\"{}\" is not how often", value.text),
                         "a number, or \"all\" for all of kernel.text, kernel.free_lists or a segment");
        return 0;
    }
    const u64 times = fields.integer("repeat", 1, kPokeRepeatedBytesMax).value_or(1);
    if (times * poke.bytes.size() > kPokeRepeatedBytesMax)
        fields.error("repeat", fmt::format("the poke is {} bytes long", times * poke.bytes.size()),
                     fmt::format("at most {} in all", quantity_text(kPokeRepeatedBytesMax)));
    return times;
}

}  // namespace

Poke parse_poke(Fields& fields) {
    Poke poke;
    poke.place = fields.place();
    constexpr std::string_view kWhere[] = {"region", "place", "phys"};
    const auto where = fields.exactly_one(kWhere);
    if (where == "region") poke.target = {PlaceKind::kRegion, {}, fields.name("region").value_or(""), 0};
    if (where == "place") poke.target = parse_place(fields);
    if (where == "phys") poke.target.phys = PhysAddr{fields.quantity("phys", true).value_or(0)};
    poke.offset = fields.quantity("offset", true).value_or(0);
    constexpr std::string_view kWhat[] = {"bytes", "xor"};
    if (const auto what = fields.exactly_one(kWhat)) {
        poke.exclusive_or = *what == "xor";
        poke.bytes = fields.hex_bytes(*what).value_or(std::vector<u8>{});
        if (poke.exclusive_or && !poke.bytes.empty() && std::ranges::all_of(poke.bytes, [](u8 b) { return b == 0; }))
            fields.error("xor", "\"xor\" with zeros changes nothing", "set the bits that are to change");
    }
    if (fields.has("repeat")) poke.repeat = parse_repeat(fields, poke);
    return poke;
}

u32 parse_device_name(Fields& fields, const StepContext& context, std::string_view key) {
    std::vector<std::string_view> names;
    names.reserve(context.devices.size());
    for (const sim::DeviceConfig& device : context.devices) names.push_back(device.name);
    return static_cast<u32>(fields.choice(key, {"device", names, "define it as [device.NAME]"}).value_or(0));
}

u32 parse_kernel_name(Fields& fields, const StepContext& context) {
    std::vector<std::string_view> names;
    names.reserve(context.kernels.size());
    for (const KernelSpec& kernel : context.kernels) names.push_back(kernel.name);
    return static_cast<u32>(fields.choice("kernel", {"kernel", names, "define it as [kernel.NAME]"}).value_or(0));
}

std::optional<std::string> parse_command_line(Fields& fields) {
    auto text = fields.text("cmdline");
    if (!text) return {};
    if (text->size() > kCommandLineBytesMax) {
        fields.error("cmdline", fmt::format("the command line has {} bytes", text->size()),
                     fmt::format("at most {}", kCommandLineBytesMax));
        return {};
    }
    if (std::ranges::any_of(*text, [](char c) { return c < ' ' || c > '~'; })) {
        fields.error("cmdline", "the command line holds a character that is not printable ASCII");
        return {};
    }
    return text;
}

u64 parse_initrd(Fields& fields) { return fields.size("initrd", 1, kInitrdBytesMax).value_or(0); }

std::optional<SitePoint> parse_site_point(const Value& value, std::string_view key, DiagnosticSink& sink) {
    const auto text = as_text(value, key, sink);
    if (!text) return {};
    const std::size_t hash = text->find('#');
    SitePoint point;
    if (hash != std::string::npos) {
        const std::string_view digits = std::string_view(*text).substr(hash + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), point.nth);
        if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || point.nth == 0 ||
            point.nth > kNthMax) {
            sink.add(value.place, fmt::format("\"{}\" does not say which time", *text),
                     fmt::format("a number from 1 to {} after '#', e.g. \"relocate.page#3\"", kNthMax));
            return {};
        }
    }
    Value name = value;
    name.text = text->substr(0, hash);
    static const std::vector<std::string_view> kNames = names_of(kSites);
    const auto chosen = as_choice(name, key, {"site", kNames, "`baton points` lists them"}, sink);
    if (!chosen) return {};
    point.site = kSites[*chosen].site;
    return point;
}

std::optional<RefusedAlloc> parse_refused_alloc(const Value& value, DiagnosticSink& sink) {
    const auto text = as_text(value, "fail_alloc", sink);
    if (!text) return {};
    RefusedAlloc refused{.place = value.place};
    const std::size_t hash = text->find('#');
    if (hash != std::string::npos) {
        std::string_view which = std::string_view(*text).substr(hash + 1);
        refused.lasting = which.ends_with('+');
        if (refused.lasting) which.remove_suffix(1);
        const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), refused.nth);
        const bool number = !which.empty() && error == std::errc{} && end == which.data() + which.size();
        if (which == "each" && !refused.lasting) {
            refused.nth = 0;
        } else if (!number || refused.nth == 0 || refused.nth > kNthMax) {
            sink.add(value.place, fmt::format("\"{}\" does not say which allocation", *text),
                     fmt::format("after '#' a number from 1 to {}, with '+' all from there on, or \"each\"", kNthMax));
            return {};
        }
    }
    static const std::vector<std::string_view> kNames = [] {
        std::vector<std::string_view> names{"any"};
        for (const AllocSiteInfo& row : kAllocSites)
            if (row.stage == AllocStage::kPage || row.stage == AllocStage::kObject) names.push_back(row.name);
        return names;
    }();
    Value name = value;
    name.text = text->substr(0, hash);
    const auto chosen =
        as_choice(name, "fail_alloc", {"allocation site", kNames, "`baton list --allocs` shows them"}, sink);
    if (!chosen) return {};
    refused.site = kAnySite;
    for (const AllocSiteInfo& row : kAllocSites)
        if (row.name == kNames[*chosen]) refused.site = static_cast<u32>(row.site) + 1;
    return refused;
}

}  // namespace baton::scenarios
