// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "sim/inspect/diff.hpp"
#include "sim/inspect/pretty_json.hpp"
#include "sim/inspect/report.hpp"

namespace baton::sim {
namespace {

using nlohmann::ordered_json;

inline constexpr u64 kLinesShown = 12;  // of one kind, unless verbose

/// "2 x order 8, 1 x order 9".
std::string orders_of(const std::vector<HandoverBlock>& blocks) {
    std::map<u32, u64> counts;
    for (const HandoverBlock& b : blocks) ++counts[b.order.value];
    std::string out;
    for (const auto& [order, count] : counts)
        out += fmt::format("{}{} x order {}", out.empty() ? "" : ", ", count, order);
    return out;
}

class DiffText {
public:
    DiffText(const HandoverDiff& d, const Inspection& a, const Inspection& b, bool verbose)
        : d_(d), a_(a), b_(b), verbose_(verbose) {}

    std::string run() {
        side("A", a_);
        side("B", b_);
        if (d_.generation.a != d_.generation.b) line("generation   {} | {}", d_.generation.a, d_.generation.b);
        if (d_.page_shift.a != d_.page_shift.b)
            line("pages        {} | {}", size_words(u64{1} << d_.page_shift.a), size_words(u64{1} << d_.page_shift.b));
        if (d_.root_fdt.a != d_.root_fdt.b)
            line("root FDT     {} -> {}", hex_words(d_.root_fdt.a), hex_words(d_.root_fdt.b));
        named("subtree", d_.subtrees);
        named("reserve_mem", d_.reserve_mem);
        for (const PhysRange& r : d_.scratch.a) line("scratch      only in A  {}", range(r));
        for (const PhysRange& r : d_.scratch.b) line("scratch      only in B  {}", range(r));
        blocks();
        line("{}", d_.equal() ? "equal" : "different");
        return std::move(text_);
    }

private:
    template <class... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        text_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
    }
    static std::string range(const PhysRange& r) {
        if (r.size == 0) return hex_words(r.start);
        return fmt::format("{}..{} {}", hex_words(r.start), hex_words({r.end().value - 1}), size_words(r.size));
    }
    void side(const char* letter, const Inspection& i) {
        u64 errors = 0;
        for (const Warning& w : i.warnings) errors += info(w.id).severity == Severity::kError;
        line("{}  {}  {}, {} blocks, {}{}", letter, i.source.name, i.generation, i.handover.blocks.size(),
             size_words(i.handover.pages << i.page_shift),
             errors != 0 ? fmt::format("; {} errors, see baton inspect", errors) : "");
    }
    void named(const char* what, const std::vector<NamedDiff>& diffs) {
        for (const NamedDiff& n : diffs) {
            if (!n.where.a || !n.where.b)
                line("{:<12} {} only in {}  {}", what, n.name, n.where.a ? "A" : "B",
                     range(n.where.a ? *n.where.a : *n.where.b));
            else if (n.moved())
                line("{:<12} {} moved  {} -> {}", what, n.name, hex_words(n.where.a->start),
                     hex_words(n.where.b->start));
            else
                line("{:<12} {} resized  {} | {}", what, n.name, range(*n.where.a), range(*n.where.b));
        }
    }
    void blocks() {
        line("preserved    {} the same, {} only in A, {} only in B, {} moved, {} ranges split differently",
             d_.same_blocks, d_.only.a.size(), d_.only.b.size(), d_.moved.size(), d_.split.size());
        if (d_.in_moved_regions.a != 0 || d_.in_moved_regions.b != 0)
            line("             {} | {} in regions that moved", d_.in_moved_regions.a, d_.in_moved_regions.b);
        if (d_.contents_compared) line("             {} with another content", d_.changed.size());
        list(d_.only.a, [&](const HandoverBlock& b) { block("- ", b, a_.page_shift); });
        list(d_.only.b, [&](const HandoverBlock& b) { block("+ ", b, b_.page_shift); });
        list(d_.moved, [&](const MovedBlock& m) {
            line("  > {:<12} -> {:<12} order {}  {}", hex_words(m.a), hex_words(m.b), m.order.value, m.what);
        });
        list(d_.split, [&](const SplitRange& s) {
            line("  / {}  {} | {}", range(s.range), orders_of(s.blocks.a), orders_of(s.blocks.b));
        });
        list(d_.changed, [&](const HandoverBlock& b) { block("! ", b, a_.page_shift); });
    }
    void block(const char* sign, const HandoverBlock& b, u32 page_shift) {
        line("  {}{:<12} order {:<2} {}", sign, hex_words(b.phys), b.order.value,
             size_words(u64{1} << (b.order.value + page_shift)));
    }
    template <class T, class F>
    void list(const std::vector<T>& items, F&& f) {
        for (u64 n = 0; n < items.size(); ++n) {
            if (!verbose_ && n == kLinesShown) {
                line("    and {} more: -v", items.size() - n);
                return;
            }
            f(items[n]);
        }
    }

    const HandoverDiff& d_;
    const Inspection& a_;
    const Inspection& b_;
    const bool verbose_;
    std::string text_;
};

ordered_json range_json(const std::optional<PhysRange>& r) {
    if (!r) return nullptr;
    return ordered_json::array({hex_words(r->start), fmt::format("{:#x}", r->size)});
}

ordered_json blocks_json(const std::vector<HandoverBlock>& blocks) {
    ordered_json out = ordered_json::array();
    for (const HandoverBlock& b : blocks) out.push_back({hex_words(b.phys), b.order.value});
    return out;
}

ordered_json named_json(const std::vector<NamedDiff>& diffs) {
    ordered_json out = {{"only_a", ordered_json::array()},
                        {"only_b", ordered_json::array()},
                        {"moved", ordered_json::array()},
                        {"resized", ordered_json::array()}};
    for (const NamedDiff& n : diffs) {
        if (!n.where.a || !n.where.b)
            out[n.where.a ? "only_a" : "only_b"].push_back({n.name, range_json(n.where.a ? n.where.a : n.where.b)});
        else
            out[n.moved() ? "moved" : "resized"].push_back({n.name, range_json(n.where.a), range_json(n.where.b)});
    }
    return out;
}

ordered_json ranges_json(const std::vector<PhysRange>& ranges) {
    ordered_json out = ordered_json::array();
    for (const PhysRange& r : ranges) out.push_back(range_json(r));
    return out;
}

}  // namespace

std::string diff_text(const HandoverDiff& diff, const Inspection& a, const Inspection& b, bool verbose) {
    return DiffText(diff, a, b, verbose).run();
}

std::string diff_json(const HandoverDiff& d, const Inspection& a, const Inspection& b) {
    ordered_json out;
    out["equal"] = d.equal();
    out["a"] = {{"name", a.source.name}, {"generation", d.generation.a}, {"warnings", a.warnings.size()}};
    out["b"] = {{"name", b.source.name}, {"generation", d.generation.b}, {"warnings", b.warnings.size()}};
    out["page_size"] = {u64{1} << d.page_shift.a, u64{1} << d.page_shift.b};
    out["root_fdt"] = {hex_words(d.root_fdt.a), hex_words(d.root_fdt.b)};
    out["subtrees"] = named_json(d.subtrees);
    out["reserve_mem"] = named_json(d.reserve_mem);
    out["scratch"] = {{"only_a", ranges_json(d.scratch.a)}, {"only_b", ranges_json(d.scratch.b)}};
    ordered_json& p = out["preserved"];
    p["same"] = d.same_blocks;
    p["only_a"] = blocks_json(d.only.a);
    p["only_b"] = blocks_json(d.only.b);
    p["moved"] = ordered_json::array();
    for (const MovedBlock& m : d.moved) p["moved"].push_back({hex_words(m.a), hex_words(m.b), m.order.value, m.what});
    p["in_moved_regions"] = {d.in_moved_regions.a, d.in_moved_regions.b};
    p["split"] = ordered_json::array();
    for (const SplitRange& s : d.split)
        p["split"].push_back({range_json(s.range), blocks_json(s.blocks.a), blocks_json(s.blocks.b)});
    p["changed"] = d.contents_compared ? blocks_json(d.changed) : ordered_json();
    return pretty(out) + "\n";
}

}  // namespace baton::sim
