// SPDX-License-Identifier: GPL-2.0-only
// Reading a profile. Every unit of work must have its cost and every figure its source: a report whose numbers nobody
// can trace is worth nothing, so a file that leaves one out is refused.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "sim/time/profile.hpp"
#include "sim/toml_text.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kFileBytesMax = kMiB;
inline constexpr std::size_t kTextBytesMax = 400;
inline constexpr u64 kPsMax = 1'000'000'000'000;  // a second for one page, bit or byte is no machine
inline constexpr u64 kUsMax = 3'600'000'000;      // nor is an hour
inline constexpr std::size_t kConstantsMax = 256;
constexpr std::string_view kManual = "docs/blackout.md";

/// Phases that can have constants: those that are not, or not wholly, made of counted work.
constexpr Phase kConstantPhases[] = {Phase::kNotifiers, Phase::kDeviceShutdown, Phase::kStopCpus, Phase::kInitcalls,
                                     Phase::kDeviceProbe};

class Reader {
public:
    explicit Reader(std::string name) : name_(std::move(name)) {}

    Profile read(std::string_view text) {
        const toml::table root = parse_toml(text, name_, std::string(kManual));
        allow_only(root, {"name", "about", "work", "constant"}, "a profile");
        Profile profile;
        profile.name = this->text(root, "name", "a profile");
        profile.about = this->text(root, "about", "a profile");
        read_costs(root, profile);
        read_constants(root, profile);
        return profile;
    }

private:
    [[noreturn]] void wrong(const toml::source_region& at, const std::string& message, std::string hint) const {
        throw InputError(name_, at.begin.line, at.begin.column, message, std::move(hint));
    }

    void allow_only(const toml::table& table, std::initializer_list<std::string_view> keys, std::string_view what) {
        // The library keeps keys sorted; the first in the file is what a person looks for.
        const toml::key* first = nullptr;
        for (const auto& [key, value] : table)
            if (std::ranges::find(keys, key.str()) == keys.end() &&
                (first == nullptr || key.source().begin < first->source().begin))
                first = &key;
        if (first == nullptr) return;
        std::string list;
        for (const std::string_view key : keys) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", key);
        wrong(first->source(), fmt::format("{} has no \"{}\"", what, first->str()), "one of " + list);
    }

    const toml::node& need(const toml::table& table, std::string_view key, std::string_view what,
                           const std::string& hint) const {
        const toml::node* node = table.get(key);
        if (node == nullptr) wrong(table.source(), fmt::format("{} needs \"{}\"", what, key), hint);
        return *node;
    }

    std::string text_of(const toml::node& node, std::string_view key) const {
        const auto* value = node.as_string();
        if (value == nullptr || value->get().empty() || value->get().size() > kTextBytesMax ||
            value->get().find('\n') != std::string::npos)
            wrong(node.source(), fmt::format("\"{}\" is no text", key),
                  fmt::format("one line of 1 to {} bytes", kTextBytesMax));
        return value->get();
    }
    std::string text(const toml::table& table, std::string_view key, std::string_view what) const {
        const std::string_view hint = key == "source" ? "where the figure comes from; \"model parameter: ...\" if "
                                                        "nobody measured it"
                                                      : "a line of text";
        return text_of(need(table, key, what, std::string(hint)), key);
    }

    u64 number(const toml::table& table, std::string_view key, u64 min, u64 max, std::string_view what) const {
        const std::string range = fmt::format("an integer from {} to {}", min, max);
        const toml::node& node = need(table, key, what, range);
        const auto* value = node.as_integer();
        if (value == nullptr) wrong(node.source(), fmt::format("\"{}\" is no integer", key), range);
        const i64 n = value->get();
        if (n < 0) wrong(node.source(), fmt::format("\"{}\" is {}: nothing takes negative time", key, n), range);
        if (static_cast<u64>(n) < min || static_cast<u64>(n) > max)
            wrong(node.source(), fmt::format("\"{}\" is {}", key, n), range);
        return static_cast<u64>(n);
    }

    template <class Row, std::size_t kRows>
    const Row& row_of(const toml::node& node, std::string_view key, const Row (&table)[kRows],
                      std::string_view Row::* column) const {
        const std::string word = text_of(node, key);
        std::string list;
        for (const Row& row : table) {
            if (row.*column == word) return row;
            list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", row.*column);
        }
        wrong(node.source(), fmt::format("unknown {} \"{}\"", key, word), "one of " + list);
    }

    const toml::table& table_of(const toml::node& node, std::string_view what) const {
        if (const auto* table = node.as_table()) return *table;
        wrong(node.source(), fmt::format("{} is no table", what), "see " + std::string(kManual));
    }

    void read_costs(const toml::table& root, Profile& profile) {
        const std::string_view form = "[work.pages_copied] and the other units of work";
        const toml::table& work = table_of(need(root, "work", "a profile", std::string(form)), "\"work\"");
        std::array<bool, kWorkCount> seen{};
        for (const auto& [key, value] : work) {
            const auto* unit = std::ranges::find(kWorks, key.str(), &WorkInfo::name);
            if (unit == std::end(kWorks)) unknown_unit(key);
            const auto index = static_cast<std::size_t>(unit->work);
            seen[index] = true;
            profile.costs[index] = cost(table_of(value, fmt::format("[work.{}]", unit->name)), *unit);
        }
        for (const WorkInfo& unit : kWorks)
            if (!seen[static_cast<u32>(unit.work)])
                wrong(root.source(), fmt::format("no cost for {}: {}", unit.name, unit.meaning),
                      fmt::format("[work.{}] with ps and source", unit.name));
    }

    [[noreturn]] void unknown_unit(const toml::key& key) const {
        std::string list;
        for (const WorkInfo& unit : kWorks) list += fmt::format("{}{}", list.empty() ? "" : ", ", unit.name);
        wrong(key.source(), fmt::format("there is no unit of work \"{}\"", key.str()), "one of " + list);
    }

    WorkCost cost(const toml::table& table, const WorkInfo& unit) {
        const std::string what = fmt::format("[work.{}]", unit.name);
        allow_only(table, {"ps", "per_page", "source"}, what);
        WorkCost c{.work = unit.work, .ps = number(table, "ps", 1, kPsMax, what)};
        if (const toml::node* node = table.get("per_page")) {
            const auto* flag = node->as_boolean();
            if (flag == nullptr) wrong(node->source(), "\"per_page\" is no boolean", "true or false");
            c.per_page = flag->get();
        }
        c.source = text(table, "source", what);
        return c;
    }

    void read_constants(const toml::table& root, Profile& profile) {
        const toml::node* node = root.get("constant");
        if (node == nullptr) return;
        const auto* list = node->as_array();
        if (list == nullptr) wrong(node->source(), "\"constant\" is no array of tables", "[[constant]]");
        if (list->size() > kConstantsMax)
            wrong(node->source(), fmt::format("{} constants", list->size()), fmt::format("at most {}", kConstantsMax));
        for (const toml::node& item : *list) profile.constants.push_back(constant(table_of(item, "a constant")));
    }

    PhaseConstant constant(const toml::table& table) {
        constexpr std::string_view kWhat = "[[constant]]";
        allow_only(table, {"phase", "arch", "per", "us", "source"}, kWhat);
        PhaseConstant c;
        const toml::node& phase = need(table, "phase", kWhat, "phase = \"P3\"");
        c.phase = row_of(phase, "phase", kPhases, &PhaseInfo::code).phase;
        if (std::ranges::find(kConstantPhases, c.phase) == std::end(kConstantPhases))
            wrong(phase.source(),
                  fmt::format("{} ({}) is counted work, not a constant", info(c.phase).code, info(c.phase).name),
                  "one of P2, P3, P4, P11, P12");
        const toml::node& per = need(table, "per", kWhat, "per = \"machine\", \"cpu\" or \"device\"");
        c.per = row_of(per, "per", kPers, &PerInfo::name).per;
        c.us = number(table, "us", 0, kUsMax, kWhat);
        c.source = text(table, "source", kWhat);
        c.isas = isas(table);
        return c;
    }

    u32 isas(const toml::table& table) const {
        const toml::node* arch = table.get("arch");
        u32 mask = 0;
        for (const Isa isa : {Isa::kX86_64, Isa::kAArch64}) mask |= u32{1} << static_cast<u32>(isa);
        if (arch == nullptr) return mask;
        struct Row {
            Isa isa;
            std::string_view name;
        };
        static constexpr Row kIsas[] = {{Isa::kX86_64, "x86_64"}, {Isa::kAArch64, "aarch64"}};
        return u32{1} << static_cast<u32>(row_of(*arch, "arch", kIsas, &Row::name).isa);
    }

    std::string name_;
};

}  // namespace

Profile parse_profile(std::string_view text, const std::string& name) { return Reader(name).read(text); }

Profile read_profile(const std::string& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) throw InputError(path, "there is no such file");
    if (!std::filesystem::is_regular_file(status)) throw InputError(path, "is not a regular file");
    if (std::filesystem::file_size(path, error) > kFileBytesMax || error)
        throw InputError(path, "is too long for a profile", fmt::format("at most {} bytes", kFileBytesMax));
    std::ifstream in(path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (!in || in.bad()) throw InputError(path, "cannot be read");
    return parse_profile(text, path);
}

}  // namespace baton::sim
