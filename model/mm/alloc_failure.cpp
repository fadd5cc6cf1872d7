// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/alloc_failure.hpp"

#include "model/kernel.hpp"
#include "model/text.hpp"

namespace baton::mm {
namespace {

/// AllocSite + 1, kAnySite, or 0: there is no such site.
u32 site_named(std::string_view name) {
    if (name == "any") return kAnySite;
    for (const AllocSiteInfo& row : kAllocSites)
        if (row.name == name && row.stage != AllocStage::kGiven) return static_cast<u32>(row.site) + 1;
    return 0;
}

bool parse(AllocFailure& f, std::string_view value) {
    AllocFailure armed{.site = 0, .lasting = 0, .nth = 1, .seen = 0, .failed = 0};
    if (value.ends_with('+')) {
        armed.lasting = 1;
        value.remove_suffix(1);
    }
    const auto hash = value.find('#');
    armed.site = site_named(value.substr(0, hash));
    if (hash != std::string_view::npos) {
        value.remove_prefix(hash + 1);
        const auto nth = text::take_size(value);
        if (!nth || !value.empty()) return false;
        armed.nth = *nth;
    }
    if (armed.site == 0 || armed.nth == 0) return false;
    f = armed;
    return true;
}

}  // namespace

bool must_fail(Kernel& k, AllocSite site) {
    AllocFailure& f = k.alloc_failure;
    if (f.site == 0) [[likely]]
        return false;
    if (f.site != kAnySite && f.site != static_cast<u32>(site) + 1) return false;
    ++f.seen;
    if (f.lasting != 0 ? f.seen < f.nth : f.seen != f.nth) return false;
    ++f.failed;
    const PackedName name = pack_name(info(site).name);
    platform::log(LogLevel::kInfo, Log::kAllocFailsAsAsked, name.lo, name.hi, f.seen);
    return true;
}

void parse_early_options(Kernel& k, std::string_view command_line) {
    std::size_t position = 0;
    while (const auto option = text::next_option(command_line, position)) {
        if (option->key != "fail_alloc" || parse(k.alloc_failure, option->value)) continue;
        const PackedName name = pack_name("fail_alloc");
        platform::log(LogLevel::kWarn, Log::kCmdlineBad, name.lo, name.hi);
    }
}

}  // namespace baton::mm
