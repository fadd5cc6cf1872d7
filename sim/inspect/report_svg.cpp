// SPDX-License-Identifier: GPL-2.0-only
// The memory map as a picture. All of RAM is one strip, to scale (holes wider than an eighth of RAM are cut); since a
// page of 512 MiB is a hundredth of a pixel, every place where something is gets a strip of its own below, to its own
// scale and a number that says where in the first it is. Each strip has three lanes: what is in scratch, what is
// preserved, where the metadata lies.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>

#include "sim/inspect/report.hpp"
#include "sim/inspect/svg_canvas.hpp"
#include "sim/inspect/svg_scale.hpp"

namespace baton::sim {
namespace {

inline constexpr double kWidth = 1180;
inline constexpr double kLeft = 96;
inline constexpr double kRight = 24;
inline constexpr double kLane = 20;
inline constexpr double kLaneGap = 4;
inline constexpr double kSliver = 1.6;  // what is narrower is drawn this wide
inline constexpr u64 kZoomsMax = 6;

inline constexpr std::string_view kRam = "#eef1f5";
inline constexpr std::string_view kScratch = "#bfdbfe";
inline constexpr std::string_view kScratchEdge = "#60a5fa";
inline constexpr std::string_view kImage = "#15803d";
inline constexpr std::string_view kMetadata = "#1f2933";
inline constexpr std::string_view kMuted = "#7b8794";
// Orders 0 … 10 and above: light to dark, as more memory hangs on one bit.
inline constexpr std::string_view kOrders[] = {"#fde047", "#fbbf24", "#fb923c", "#f97316", "#ef4444", "#dc2626",
                                               "#db2777", "#be185d", "#9d174d", "#7e22ce", "#581c87"};

std::string_view order_colour(u32 order) { return kOrders[std::min<u64>(order, std::size(kOrders) - 1)]; }

std::string_view ink_on(std::string_view fill) {
    for (u32 order : {0u, 1u, 2u})
        if (fill == kOrders[order]) return "#1f2933";
    return "#ffffff";
}

struct Item {
    PhysRange range;
    std::string_view fill;
    std::string label;
    std::string title;
    u64 count = 1;
};

class MapPicture {
public:
    explicit MapPicture(const Inspection& i) : i_(i), h_(i.handover), svg_(kWidth) { collect(); }

    std::string run() {
        heading();
        const std::vector<PhysRange> ram = shown_ram();
        if (ram.empty()) {
            svg_.text(kLeft, y_, "nothing to draw");
            return svg_.document(y_ + 30, "KHO handover");
        }
        const Scale scale(ram, kLeft, kWidth - kRight);
        const std::vector<PhysRange> zoomed = places(scale);
        badges(scale, zoomed);
        strip(scale, true);
        for (u64 n = 0; n < zoomed.size(); ++n) zoom(zoomed[n], n + 1);
        legend();
        return svg_.document(y_ + 12, "KHO handover: " + i_.source.name);
    }

private:
    // --- what there is ------------------------------------------------------------------------------------------

    void collect() {
        for (u64 n = 0; n < h_.scratch.size(); ++n) {
            const PhysRange& s = h_.scratch[n];
            if (sound(s)) scratch_.push_back({s, kScratch, scratch_words(n), "scratch " + scratch_words(n)});
        }
        for (const NamedRange& r : i_.source.image)
            if (sound(r.range)) image_.push_back({r.range, kImage, r.name, r.name});
        if (!h_.scratch_array.bytes.empty())
            image_.push_back(
                {{h_.scratch_array.phys, h_.scratch_array.bytes.size()}, kMetadata, "scratch array", "scratch array"});
        std::vector<HandoverBlock> blocks = h_.blocks;
        std::ranges::sort(blocks);
        for (const HandoverBlock& b : blocks) {
            const PhysRange r{b.phys, u64{1} << (b.order.value + i_.page_shift)};
            orders_.insert(b.order.value);
            Item* last = preserved_.empty() ? nullptr : &preserved_.back();
            if (last != nullptr && last->range.end() == r.start && last->fill == order_colour(b.order.value) &&
                last->label == fmt::format("{}", b.order.value)) {
                last->range.size += r.size;
                ++last->count;
            } else
                preserved_.push_back({r, order_colour(b.order.value), fmt::format("{}", b.order.value), "order"});
        }
        for (const MetadataPiece& m : i_.metadata)
            if (sound(m.range)) metadata_.push_back({m.range, kMetadata, m.what, m.what});
        for (auto* list : {&image_, &metadata_})
            std::ranges::stable_sort(*list, {}, [](const Item& item) { return item.range.start; });
    }
    static bool sound(const PhysRange& r) {
        return !r.empty() && r.start.value < kPhysEnd && r.size <= kPhysEnd - r.start.value;
    }
    /// RAM; without a map the dump's own ranges and whatever is in the handover.
    std::vector<PhysRange> shown_ram() const {
        std::vector<PhysRange> ram = i_.ram;
        if (i_.ram_known) return ram;
        for (const auto* list : {&scratch_, &preserved_, &metadata_})
            for (const Item& item : *list) ram.push_back(item.range);
        const Coverage all(std::move(ram));
        return {all.ranges().begin(), all.ranges().end()};
    }

    // --- drawing ------------------------------------------------------------------------------------------------

    void heading() {
        svg_.text(kRight, 30, i_.source.name, {.size = 17, .bold = true});
        svg_.text(kRight, 50,
                  fmt::format("KHO {}, {}, {} pages: {} blocks, {} preserved, {} of metadata in {} pieces",
                              i_.generation.empty() ? "of unknown generation" : i_.generation,
                              i_.source.isa ? isa_words(*i_.source.isa) : "ISA unknown",
                              size_words(u64{1} << i_.page_shift), h_.blocks.size(),
                              size_words(h_.pages << i_.page_shift), size_words(metadata_bytes()), i_.metadata.size()),
                  {.size = 12, .fill = "#52606d"});
        y_ = 76;
    }
    u64 metadata_bytes() const {
        u64 bytes = 0;
        for (const Item& m : metadata_) bytes += m.range.size;
        return bytes;
    }

    void lane_name(u32 lane, std::string_view name) {
        svg_.text(kLeft - 10, lane_y(lane) + kLane / 2 + 4, name, {.size = 11, .anchor = "end", .fill = kMuted});
    }
    double lane_y(u32 lane) const { return y_ + lane * (kLane + kLaneGap); }
    static constexpr double kStripHeight = 3 * kLane + 2 * kLaneGap;

    void background(const Scale& scale) {
        for (const Scale::Part& p : scale.parts())
            for (u32 lane = 0; lane < 3; ++lane)
                svg_.rect(p.x0, lane_y(lane), p.x1 - p.x0, kLane, {.fill = "url(#hatch)"});
        const std::vector<PhysRange> ram = shown_ram();
        for (const PhysRange& r : ram)
            scale.each(r, [&](double x0, double x1) {
                for (u32 lane = 0; lane < 3; ++lane) svg_.rect(x0, lane_y(lane), x1 - x0, kLane, {.fill = kRam});
            });
    }
    /// Items as boxes, each at least a sliver; neighbours that fall into one pixel become one box.
    void boxes(const Scale& scale, const std::vector<Item>& items, u32 lane, bool labels) {
        double drawn_to = -1;
        std::string_view drawn_fill;
        for (const Item& item : items) {
            scale.each(item.range, [&](double x0, double x1) {
                const double w = std::max(x1 - x0, kSliver);
                if (w <= kSliver && x0 + w <= drawn_to + 0.2 && item.fill == drawn_fill) return;
                svg_.rect(x0, lane_y(lane), w, kLane, {.fill = item.fill, .radius = w > 6 ? 1.5 : 0}, title(item));
                drawn_to = x0 + w;
                drawn_fill = item.fill;
                if (labels && SvgCanvas::text_width(item.label, 10) + 4 < w)
                    svg_.text(x0 + w / 2, lane_y(lane) + kLane / 2 + 3.5, item.label,
                              {.size = 10, .anchor = "middle", .fill = ink_on(item.fill)});
            });
        }
    }
    std::string title(const Item& item) const {
        const std::string where = fmt::format("{}..{}, {}", hex_words(item.range.start),
                                              hex_words({item.range.end().value - 1}), size_words(item.range.size));
        if (item.title != "order") return fmt::format("{}\n{}", item.title, where);
        return fmt::format("{} x order {}\n{}", item.count, item.label, where);
    }

    void strip(const Scale& scale, bool whole) {
        background(scale);
        for (const Item& s : scratch_)
            scale.each(s.range, [&](double x0, double x1) {
                svg_.rect(x0, lane_y(0), std::max(x1 - x0, kSliver), kLane, {.fill = kScratch, .stroke = kScratchEdge},
                          title(s));
                if (!whole || SvgCanvas::text_width(s.label, 10) + 8 > x1 - x0) return;
                svg_.text((x0 + x1) / 2, lane_y(0) + kLane / 2 + 3.5, s.label,
                          {.size = 10, .anchor = "middle", .fill = "#1e40af"});
            });
        boxes(scale, image_, 0, !whole);
        boxes(scale, preserved_, 1, !whole);
        boxes(scale, metadata_, 2, !whole);
        lane_name(0, "scratch");
        lane_name(1, "preserved");
        lane_name(2, "metadata");
        y_ += kStripHeight;
        if (whole) {
            axis(scale);
            y_ += 22;
        }
    }

    /// Ticks at a round distance, so that about ten fit.
    void axis(const Scale& scale) {
        u64 total = 0;
        for (const Scale::Part& p : scale.parts()) total += p.range.size;
        const u64 step = std::bit_ceil(std::max<u64>(total / 10, 4096));
        double free_from = 0;
        for (const Scale::Part& p : scale.parts()) {
            for (u64 a = p.range.start.value / step * step; a <= p.range.end().value; a += step) {
                if (a < p.range.start.value) continue;
                const double x = Scale::at(p, {a});
                const std::string words = hex_words({a});
                const double half = SvgCanvas::text_width(words, 10, true) / 2;
                svg_.line(x, y_ + 1, x, y_ + 5, kMuted);
                if (x - half < free_from || x + half > kWidth) continue;
                svg_.text(x, y_ + 16, words, {.size = 10, .anchor = "middle", .fill = kMuted, .mono = true});
                free_from = x + half + 8;
            }
            if (&p != &scale.parts().back())
                svg_.text(p.x1 + Scale::kCut / 2, y_ - kStripHeight / 2, "//",
                          {.size = 14, .anchor = "middle", .fill = kMuted});
        }
    }

    // --- the parts where something is -----------------------------------------------------------------------------

    /// Neighbouring things, with as much around them as they are wide at most.
    std::vector<PhysRange> places(const Scale& scale) const {
        u64 total = 0;
        for (const Scale::Part& p : scale.parts()) total += p.range.size;
        const u64 near = std::max<u64>(total / 96, u64{1} << i_.page_shift);
        std::vector<PhysRange> things;
        for (const auto* list : {&preserved_, &metadata_})
            for (const Item& item : *list) things.push_back(item.range);
        if (!h_.scratch_array.bytes.empty()) things.push_back({h_.scratch_array.phys, h_.scratch_array.bytes.size()});
        std::ranges::sort(things, {}, &PhysRange::start);
        std::vector<PhysRange> out;
        for (const PhysRange& r : things) {
            if (!out.empty() && r.start < out.back().end() + near)
                out.back().size = std::max(r.end(), out.back().end()) - out.back().start;
            else
                out.push_back(r);
        }
        // The fullest, in the order of their addresses. `things` and `out` ascend alike.
        std::vector<std::pair<u64, PhysRange>> counted;
        auto thing = things.begin();
        for (const PhysRange& r : out) {
            u64 count = 0;
            for (; thing != things.end() && thing->start < r.end(); ++thing) ++count;
            counted.emplace_back(count, r);
        }
        std::ranges::stable_sort(counted, std::ranges::greater(), &std::pair<u64, PhysRange>::first);
        std::ranges::transform(counted, out.begin(), &std::pair<u64, PhysRange>::second);
        if (out.size() > kZoomsMax) out.resize(kZoomsMax);
        std::ranges::sort(out, {}, &PhysRange::start);
        for (PhysRange& r : out) widen(r);
        return out;
    }
    void widen(PhysRange& r) const {
        const u64 page = u64{1} << i_.page_shift;
        const u64 margin = std::max(r.size / 40, page) / page * page;
        const u64 start = (r.start.value - std::min(r.start.value, margin)) / page * page;
        const u64 end = (r.end().value + margin + page - 1) / page * page;
        r = {{start}, end - start};
    }

    void badge(double x, double y, u64 number) {
        svg_.rect(x - 8, y - 8, 16, 16, {.fill = "#52606d", .radius = 8});
        svg_.text(x, y + 3.5, fmt::format("{}", number),
                  {.size = 10, .anchor = "middle", .fill = "#ffffff", .bold = true});
    }
    /// Above the first strip: where the strips below belong.
    void badges(const Scale& scale, const std::vector<PhysRange>& zoomed) {
        double free_from = kLeft;
        for (u64 n = 0; n < zoomed.size(); ++n) {
            double from = kWidth;
            double to = 0;
            scale.each(zoomed[n], [&](double x0, double x1) {
                from = std::min(from, x0);
                to = std::max(to, x1);
            });
            if (from > to) continue;
            const double middle = (from + to) / 2;
            const double x = std::max(middle, free_from);
            svg_.line(x, y_ + 8, middle, y_ + 17, kMuted);
            badge(x, y_, n + 1);
            free_from = x + 20;
        }
        y_ += 18;
    }

    void zoom(const PhysRange& place, u64 number) {
        y_ += 40;
        badge(kLeft + 8, y_ - 11, number);
        const std::string words = fmt::format("{}..{}", hex_words(place.start), hex_words({place.end().value - 1}));
        svg_.text(kLeft + 24, y_ - 7, words, {.size = 11, .mono = true});
        svg_.text(kWidth - kRight, y_ - 7, size_words(place.size), {.size = 11, .anchor = "end", .fill = kMuted});
        const Scale scale({place}, kLeft, kWidth - kRight);
        strip(scale, false);
        callouts(scale);
    }

    /// Names of regions and subtrees below the strip, where there is room.
    void callouts(const Scale& scale) {
        std::vector<Item> named;
        for (const ReservedRegion& r : i_.users.reserve_mem)
            if (sound({r.start, r.size})) named.push_back({{r.start, r.size}, "", "reserve_mem " + r.name, ""});
        if (!h_.root_fdt.bytes.empty())
            named.push_back({{h_.root_fdt.phys, u64{1} << i_.page_shift}, "", "root FDT", ""});
        for (const HandoverSubtree& s : h_.subtrees)
            if (sound({s.blob, 1})) named.push_back({subtree_range(s), "", s.name, ""});
        for (const Item& item : image_) named.push_back({item.range, "", item.label, ""});
        std::ranges::stable_sort(named, {}, [](const Item& n) { return n.range.start; });
        double free_from = 0;
        bool any = false;
        for (const Item& n : named) {
            scale.each(n.range, [&](double x0, double x1) {
                const double width = SvgCanvas::text_width(n.label, 10);
                const double middle = std::clamp((x0 + x1) / 2, kLeft + width / 2, kWidth - kRight - width / 2);
                if (middle - width / 2 < free_from) return;
                svg_.line((x0 + std::max(x1, x0 + kSliver)) / 2, y_ + 1, (x0 + std::max(x1, x0 + kSliver)) / 2, y_ + 5,
                          kMuted);
                svg_.text(middle, y_ + 15, n.label, {.size = 10, .anchor = "middle", .fill = "#3e4c59"});
                free_from = middle + width / 2 + 10;
                any = true;
            });
        }
        if (any) y_ += 16;
    }

    PhysRange subtree_range(const HandoverSubtree& s) const {
        for (const HandoverPiece& p : h_.sub_fdts)
            if (p.phys == s.blob) return {p.phys, p.bytes.size()};
        return {s.blob, 1};
    }

    void legend() {
        y_ += 34;
        double x = kLeft;
        const auto chip = [&](std::string_view fill, std::string_view words) {
            const double width = 14 + 6 + SvgCanvas::text_width(words, 11) + 16;
            if (x + width > kWidth - kRight) {
                x = kLeft;
                y_ += 20;
            }
            svg_.rect(x, y_ - 10, 14, 12, {.fill = fill, .stroke = fill == kRam ? kMuted : "none", .radius = 2});
            svg_.text(x + 20, y_, words);
            x += width;
        };
        chip(kRam, i_.ram_known ? "RAM" : "in the dump");
        chip("url(#hatch)", "not RAM");
        chip(kScratch, "scratch");
        if (!i_.source.image.empty()) chip(kImage, "image of the next kernel");
        chip(kMetadata, "metadata");
        for (u32 order : orders_)
            chip(order_colour(order),
                 fmt::format("order {} ({})", order, size_words(u64{1} << (order + i_.page_shift))));
    }

    const Inspection& i_;
    const Handover& h_;
    SvgCanvas svg_;
    double y_ = 0;
    std::vector<Item> scratch_;
    std::vector<Item> image_;
    std::vector<Item> preserved_;
    std::vector<Item> metadata_;
    std::set<u32> orders_;
};

}  // namespace

std::string inspection_svg(const Inspection& inspection) { return MapPicture(inspection).run(); }

}  // namespace baton::sim
