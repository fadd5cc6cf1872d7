// SPDX-License-Identifier: GPL-2.0-only
// kho= and kho_scratch= (specs/kho.md §2.12), with each generation's idea of what is malformed.
//
// Options are taken in order and each good one takes effect, so the last good one wins; a bad one is logged and changes
// nothing.
#include "model/kernel.hpp"
#include "model/text.hpp"

namespace baton::kho {
namespace {

inline constexpr u32 kScaleDefault = 200;
inline constexpr std::size_t kPercentCharsMax = 11;  // ten digits and the percent sign

/// `N%`. 0 % would leave neither a scale nor sizes, so it is malformed here.
bool parse_percent(KhoState& kho, std::string_view value) {
    if (value.size() > kPercentCharsMax || value.size() < 2) return false;
    value.remove_suffix(1);
    u64 scale = 0;
    for (const char c : value) {
        if (c < '0' || c > '9') return false;
        scale = scale * 10 + static_cast<u64>(c - '0');
    }
    if (scale == 0 || scale > ~u32{0}) return false;
    kho.scale_percent = static_cast<u32>(scale);
    return true;
}

/// `low,global,pernode`.
bool parse_sizes(KhoState& kho, const Rules& rules, std::string_view value) {
    u64 sizes[3] = {};
    u64 any = 0;
    for (u64& size : sizes) {
        if (&size != sizes) {
            if (!value.starts_with(',')) return false;
            value.remove_prefix(1);
        }
        const auto taken = text::take_size(value);
        if (!taken || (*taken == 0 && !rules.kho_scratch_allows_zero)) return false;
        size = *taken;
        any |= size;
    }
    if (any == 0 || (rules.kho_scratch_strict_tail && !value.empty())) return false;
    kho.scale_percent = 0;
    kho.explicit_low = sizes[0];
    kho.explicit_global = sizes[1];
    kho.explicit_node = sizes[2];
    return true;
}

void apply_scratch(Kernel& k, std::string_view value) {
    const bool good = value.ends_with('%') ? parse_percent(k.kho, value) : parse_sizes(k.kho, k.rules(), value);
    if (!good) platform::log(LogLevel::kWarn, Log::kKhoCmdlineBad);
}

void apply_enable(Kernel& k, std::string_view value) {
    const auto on = text::parse_bool(value);
    if (!on) {
        const PackedName name = pack_name("kho");
        platform::log(LogLevel::kWarn, Log::kCmdlineBad, name.lo, name.hi);
        return;
    }
    k.kho.enabled = *on ? 1 : 0;
}

}  // namespace

bool is_built(const KernelConfig& config) {
    if (!config.option(kOptionDeferredInit) || config.option(kOptionKhoDeferred)) return true;
    // B03: nothing kept the two apart before 6.17.
    return config.defect(Defect::kB03);
}

void parse_early_options(Kernel& k, std::string_view command_line) {
    k.kho.enabled = k.option(kOptionKhoDefaultOn) ? 1 : 0;
    k.kho.scale_percent = kScaleDefault;
    std::size_t position = 0;
    while (const auto option = text::next_option(command_line, position)) {
        if (option->key == "kho") apply_enable(k, option->value);
        if (option->key == "kho_scratch") apply_scratch(k, option->value);
    }
    if (k.kho.enabled == 0 || is_built(k.config)) return;
    k.kho.enabled = 0;
    platform::log(LogLevel::kWarn, Log::kKhoNotBuilt);
}

}  // namespace baton::kho
