// SPDX-License-Identifier: GPL-2.0-only
// Memory before and after a hop, one picture to one scale (holes wider than an eighth of RAM are cut).
//
// In a lane of everything, what is small is lost: a page of 512 MiB is a hundredth of a pixel. So what a handover is
// about — what was preserved, the image and where it goes — has lanes of its own, in which nothing is too small to see.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "scenarios/engine/markup.hpp"
#include "scenarios/engine/page/sections.hpp"
#include "scenarios/engine/page/style.hpp"
#include "sim/inspect/svg_canvas.hpp"
#include "sim/inspect/svg_scale.hpp"
#include "sim/ownership/coarse_runs.hpp"

namespace baton::scenarios::page {
namespace {

using sim::OwnedRun;

inline constexpr double kWidth = 1130;
inline constexpr double kLeft = 108;
inline constexpr double kLane = 18;
inline constexpr double kGap = 4;
inline constexpr double kSliver = 1.6;         // what is narrower is drawn this wide
inline constexpr std::size_t kDrawnMax = 400;  // of the lane of everything

inline constexpr std::size_t kCloseUpsMax = 4;

using Owners = std::vector<Owner>;

/// Shown when the pointer rests on a box.
std::string title(std::string_view what, PhysRange r) {
    return fmt::format("{}\n{}..{}, {}", what, hex(r.start), hex({r.end().value - 1}), size_text(r.size));
}

class Strips {
public:
    Strips(const std::vector<PhysRange>& ram, const Hop& hop)
        : hop_(hop), scale_(ram, kLeft, kWidth - 2), svg_(kWidth), ram_(ram) {}

    std::string run() {
        const Owners handed{Owner::kPreserved, Owner::kHandoverMetadata};
        heading("at the jump");
        everything(hop_.before);
        lane("handed over", hop_.before, handed);
        lane("next image", hop_.before, {Owner::kImageSource, Owner::kImageList, Owner::kControl});
        destinations();
        y_ += 12;
        heading(hop_.arrived ? "when the next kernel was up" : "when it ended");
        everything(hop_.after);
        lane("handed over", hop_.after, handed);
        lane("kernel image", hop_.after, {Owner::kKernelImage});
        axis();
        return svg_.element(y_ + 20, fmt::format("memory before and after the hop from {} to {}", hop_.from, hop_.to));
    }

private:
    void heading(std::string_view words) {
        svg_.text(kLeft, y_ + 12, words, {.size = 12, .fill = "var(--ink)", .bold = true});
        y_ += 19;
    }
    void begin_lane(std::string_view name) {
        svg_.text(kLeft - 10, y_ + kLane / 2 + 4, name, {.size = 11, .anchor = "end", .fill = "var(--soft)"});
        for (const PhysRange& r : ram_) box(r, "var(--nobody)", {}, 0);
    }
    void box(PhysRange r, std::string_view fill, std::string_view title, double narrowest) {
        scale_.each(r, [&](double x0, double x1) {
            svg_.rect(x0, y_, std::max(x1 - x0, narrowest), kLane, {.fill = fill}, title);
        });
    }

    void everything(const std::vector<OwnedRun>& runs) {
        begin_lane("memory");
        for (const OwnedRun& run : sim::coarse_runs(runs, kDrawnMax))
            box(run.range, owner_fill(run.owner), title(name(run.owner), run.range), 0.5);
        y_ += kLane + kGap;
    }

    /// Each run at least a sliver; neighbours of one colour that fall into one sliver become one.
    void lane(std::string_view lane_name, const std::vector<OwnedRun>& runs, const Owners& owners) {
        begin_lane(lane_name);
        double drawn_to = -1;
        Owner drawn = Owner::kCount;
        for (const OwnedRun& run : runs) {
            if (std::ranges::count(owners, run.owner) == 0) continue;
            double from = kWidth, to = 0;
            scale_.each(run.range, [&](double x0, double x1) {
                from = std::min(from, x0);
                to = std::max(to, x1);
            });
            if (to - from <= kSliver && from + kSliver <= drawn_to + 0.2 && drawn == run.owner) continue;
            box(run.range, owner_fill(run.owner), title(name(run.owner), run.range), kSliver);
            drawn_to = std::max(to, from + kSliver);
            drawn = run.owner;
        }
        y_ += kLane + kGap;
    }

    /// Where the segments of the image are to be copied, among the scratch areas.
    void destinations() {
        begin_lane("goes to");
        for (const PhysRange& area : hop_.scratch)
            box(area, owner_fill(Owner::kScratch), title("scratch", area), kSliver);
        for (const SegmentReport& s : hop_.segments)
            box(s.destination, owner_fill(Owner::kKernelImage), title(s.name, s.destination), kSliver);
        y_ += kLane + kGap;
    }

    /// Ticks at a round distance, so that about eight fit.
    void axis() {
        u64 total = 0;
        for (const auto& p : scale_.parts()) total += p.range.size;
        const u64 step = std::bit_ceil(std::max<u64>(total / 8, kFrameSize));
        double free_from = 0;
        for (const auto& p : scale_.parts())
            for (u64 a = (p.range.start.value + step - 1) / step * step; a <= p.range.end().value; a += step) {
                const double x = sim::Scale::at(p, {a});
                const std::string words = fmt::format("{:#x}", a);
                const double half = sim::SvgCanvas::text_width(words, 10, true) / 2;
                svg_.line(x, y_, x, y_ + 4, "var(--soft)");
                if (x - half < free_from || x + half > kWidth) continue;
                svg_.text(x, y_ + 15, words, {.size = 10, .anchor = "middle", .fill = "var(--soft)", .mono = true});
                free_from = x + half + 8;
            }
    }

    const Hop& hop_;
    sim::Scale scale_;
    sim::SvgCanvas svg_;
    const std::vector<PhysRange>& ram_;
    double y_ = 0;
};

/// What a handover is about, so what is worth a closer look.
bool telling(Owner o) {
    return o == Owner::kPreserved || o == Owner::kHandoverMetadata || o == Owner::kImageSource ||
           o == Owner::kImageList || o == Owner::kControl || o == Owner::kKernelImage;
}

/// Where something telling is, before or after: the fullest places, with a little around them.
std::vector<PhysRange> places(const Hop& hop) {
    std::vector<PhysRange> things;
    for (const auto* runs : {&hop.before, &hop.after})
        for (const OwnedRun& run : *runs)
            if (telling(run.owner)) things.push_back(run.range);
    std::ranges::sort(things, {}, &PhysRange::start);
    if (things.empty()) return {};
    const u64 near = std::max<u64>((things.back().end() - things.front().start) / 64, 16 * kFrameSize);
    struct Place {
        PhysRange range;
        u64 things = 0;
    };
    std::vector<Place> found;
    for (const PhysRange& r : things) {
        const bool close = !found.empty() && r.start < found.back().range.end() + near;
        if (!close) found.push_back({r, 0});
        PhysRange& range = found.back().range;
        range.size = std::max(r.end(), range.end()) - range.start;
        ++found.back().things;
    }
    std::ranges::stable_sort(found, std::ranges::greater(), &Place::things);
    if (found.size() > kCloseUpsMax) found.resize(kCloseUpsMax);
    std::ranges::sort(found, {}, [](const Place& p) { return p.range.start; });
    std::vector<PhysRange> out;
    for (const Place& p : found) {
        const u64 margin = std::max(p.range.size / 32, kFrameSize) / kFrameSize * kFrameSize;
        const u64 start = p.range.start.value - std::min(p.range.start.value, margin);
        out.push_back({{start}, p.range.end().value + margin - start});
    }
    return out;
}

/// Each place before and after, to a scale of its own.
class CloseUps {
public:
    explicit CloseUps(const Hop& hop) : hop_(hop) {}

    std::string run(const std::vector<PhysRange>& places) {
        for (const PhysRange& place : places) {
            svg_.text(kLeft, y_ + 12, fmt::format("{:#x}..{:#x}", place.start.value, place.end().value - 1),
                      {.size = 11, .fill = "var(--ink)", .mono = true});
            svg_.text(kWidth - 2, y_ + 12, size_text(place.size), {.size = 11, .anchor = "end", .fill = "var(--soft)"});
            y_ += 18;
            lane("at the jump", hop_.before, place);
            lane("after", hop_.after, place);
            y_ += 10;
        }
        return svg_.element(y_, "close-ups of memory before and after");
    }

private:
    void lane(std::string_view lane_name, const std::vector<OwnedRun>& runs, PhysRange place) {
        svg_.text(kLeft - 10, y_ + kLane / 2 + 4, lane_name, {.size = 11, .anchor = "end", .fill = "var(--soft)"});
        svg_.rect(kLeft, y_, kWidth - 2 - kLeft, kLane, {.fill = owner_fill(Owner::kNobody)});
        std::vector<OwnedRun> inside;
        for (const OwnedRun& run : runs)
            if (run.range.start < place.end() && place.start < run.range.end()) inside.push_back(run);
        const sim::Scale scale({place}, kLeft, kWidth - 2);
        for (const OwnedRun& run : sim::coarse_runs(std::move(inside), kDrawnMax))
            scale.each(run.range, [&](double x0, double x1) {
                svg_.rect(x0, y_, std::max(x1 - x0, 0.5), kLane, {.fill = owner_fill(run.owner)},
                          title(name(run.owner), run.range));
            });
        y_ += kLane + kGap;
    }

    const Hop& hop_;
    sim::SvgCanvas svg_{kWidth};
    double y_ = 0;
};

std::string close_ups(const Hop& hop) {
    const std::vector<PhysRange> found = places(hop);
    if (found.empty()) return {};
    return fmt::format(
        "<details class=\"more\" open><summary>closer: where something is</summary>\n<div "
        "class=\"wide\">{}</div></details>\n",
        CloseUps(hop).run(found));
}

using Bytes = std::array<u64, static_cast<u32>(Owner::kCount)>;

Bytes bytes_by_owner(const std::vector<OwnedRun>& runs) {
    Bytes out{};
    for (const OwnedRun& run : runs) out[static_cast<u32>(run.owner)] += run.range.size;
    return out;
}

/// Colours and what they stand for: how much each owner had, before and after.
std::string key(const Hop& h) {
    const Bytes before = bytes_by_owner(h.before);
    const Bytes after = bytes_by_owner(h.after);
    std::string out = "<div class=\"key\">";
    for (u32 o = 0; o < before.size(); ++o) {
        const Owner owner = static_cast<Owner>(o);
        if (before[o] == 0 && after[o] == 0) continue;
        out += fmt::format("<span><i style=\"background:{}\"></i>{} {} → {}</span>", owner_fill(owner),
                           escaped(name(owner)), size_text(before[o]), size_text(after[o]));
    }
    return out + "</div>\n";
}

}  // namespace

std::string memory_strips(const RunResult& r, const Hop& hop) {
    if (r.ram.empty() || (hop.before.empty() && hop.after.empty())) return {};
    return "<div class=\"wide\">" + Strips(r.ram, hop).run() + "</div>\n" + key(hop) + close_ups(hop);
}

}  // namespace baton::scenarios::page
