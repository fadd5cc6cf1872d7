// SPDX-License-Identifier: GPL-2.0-only
// Parsing and printing the lines of a trace.
#include "bench/peers/memblock_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace baton::peers {
namespace {

struct VerbInfo {
    Verb verb;
    std::string_view name;
    u32 required;
    u32 max;
    u64 defaults[kArgumentsMax] = {};
};

inline constexpr u64 kAny = ~u64{0};  // node -1

constexpr VerbInfo kVerbs[] = {
    {Verb::kReset, "reset", 0, 0},
    {Verb::kResize, "resize", 0, 0},
    {Verb::kAdd, "add", 2, 2},
    {Verb::kRemove, "remove", 2, 2},
    {Verb::kReserve, "reserve", 2, 2},
    {Verb::kFree, "free", 2, 2},
    {Verb::kAddNode, "addnode", 4, 4},
    {Verb::kAlloc, "alloc", 3, 6, {0, 0, 0, 0, kAny, 0}},
    {Verb::kHotplug, "hotplug", 2, 2},
    {Verb::kNoHotplug, "nohotplug", 2, 2},
    {Verb::kMirror, "mirror", 2, 2},
    {Verb::kNomap, "nomap", 2, 2},
    {Verb::kMap, "map", 2, 2},
    {Verb::kNoinit, "noinit", 2, 2},
    {Verb::kSetNode, "setnode", 4, 4},
    {Verb::kTrim, "trim", 1, 1},
    {Verb::kLimit, "limit", 1, 1},
    {Verb::kEnforce, "enforce", 1, 1},
    {Verb::kCap, "cap", 2, 2},
    {Verb::kBottomUp, "bottomup", 1, 1},
    {Verb::kMovable, "movable", 1, 1},
    {Verb::kIsMemory, "ismem", 1, 1},
    {Verb::kIsReserved, "isres", 1, 1},
    {Verb::kIsMap, "ismap", 1, 1},
    {Verb::kRegionMemory, "regmem", 2, 2},
    {Verb::kRegionReserved, "regres", 2, 2},
    {Verb::kRanges, "ranges", 0, 2, {kAny, 0}},
    {Verb::kRangesReversed, "ranges_rev", 0, 2, {kAny, 0}},
    {Verb::kFreeAll, "freeall", 0, 0},
    {Verb::kDump, "dump", 0, 0},
    {Verb::kReserveKern, "reservekern", 2, 2},
    {Verb::kScratch, "scratch", 2, 2},
    {Verb::kNoScratch, "noscratch", 2, 2},
    {Verb::kScratchOnly, "scratchonly", 1, 1},
    {Verb::kPreserved, "preserved", 2, 2},
};
static_assert(std::size(kVerbs) == static_cast<u32>(Verb::kCount));
static_assert(
    [] {
        for (u32 i = 0; i < std::size(kVerbs); ++i)
            if (static_cast<u32>(kVerbs[i].verb) != i) return false;
        return true;
    }(),
    "rows of kVerbs stand in the order of the enumerators");

const VerbInfo& info(Verb v) { return kVerbs[static_cast<u32>(v)]; }

/// The next word at or after `at`; empty at the end of the line.
std::string_view next_word(std::string_view line, u64& at) {
    at = std::min(line.find_first_not_of(" \t\r", at), line.size());
    const u64 end = std::min(line.find_first_of(" \t\r", at), line.size());
    const std::string_view word = line.substr(at, end - at);
    at = end;
    return word;
}

bool parse_number(std::string_view word, u64& value) {
    const bool negative = word.starts_with('-');
    if (negative) word.remove_prefix(1);
    const bool hex = word.starts_with("0x");
    if (hex) word.remove_prefix(2);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, hex ? 16 : 10);
    if (error != std::errc{} || end != word.data() + word.size() || word.empty()) return false;
    if (negative) value = 0 - value;
    return true;
}

/// Empty if the line is good; columns count from 1.
std::string parse_line(std::string_view line, u64 number, TraceOp& op) {
    u64 at = 0;
    const std::string_view name = next_word(line, at);
    const u64 name_column = at - name.size() + 1;
    const auto* row = std::find_if(std::begin(kVerbs), std::end(kVerbs), [=](auto& v) { return v.name == name; });
    if (row == std::end(kVerbs))
        return fmt::format("{}:{}: '{}' is no operation; docs/memblock.md lists them", number, name_column, name);
    op.verb = row->verb;
    std::copy(row->defaults, row->defaults + kArgumentsMax, op.args);
    for (;;) {
        const std::string_view word = next_word(line, at);
        if (word.empty()) break;
        const u64 column = at - word.size() + 1;
        if (op.count == row->max)
            return fmt::format("{}:{}: '{}' is too much, {} takes {} arguments", number, column, word, name, row->max);
        if (!parse_number(word, op.args[op.count++]))
            return fmt::format("{}:{}: '{}' is not a 64-bit number, decimal or 0x", number, column, word);
    }
    if (op.count < row->required)
        return fmt::format("{}:{}: {} takes at least {} arguments", number, name_column, name, row->required);
    return {};
}

}  // namespace

Trace parse_trace(std::string_view text) {
    Trace trace;
    constexpr std::string_view kTime = "# time";
    u64 number = 0;
    while (!text.empty()) {
        const u64 end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        if (line.starts_with(kTime)) {
            u64 at = kTime.size();
            trace.sections.push_back({trace.ops.size(), std::string(next_word(line, at))});
        }
        line = line.substr(0, line.find('#'));
        if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        TraceOp op;
        trace.error = parse_line(line, number, op);
        if (!trace.error.empty()) return trace;
        trace.ops.push_back(op);
    }
    return trace;
}

std::string to_line(const TraceOp& op) {
    std::string line(info(op.verb).name);
    for (u32 i = 0; i < op.count; ++i) {
        const u64 value = op.args[i];
        if (value > ~u64{0} - 16)  // small negative numbers are nodes
            line += fmt::format(" {}", static_cast<i64>(value));
        else if (value < 10)
            line += fmt::format(" {}", value);
        else
            line += fmt::format(" 0x{:x}", value);
    }
    return line;
}

TraceOp make_op(Verb verb, std::initializer_list<u64> args) {
    TraceOp op{.verb = verb, .count = static_cast<u32>(args.size())};
    std::copy(info(verb).defaults, info(verb).defaults + kArgumentsMax, op.args);
    std::copy(args.begin(), args.end(), op.args);
    return op;
}

}  // namespace baton::peers
