// SPDX-License-Identifier: GPL-2.0-only
// The few SVG elements that a memory map is made of. Coordinates are pixels; text is escaped.
#pragma once

#include <string>
#include <string_view>

namespace baton::sim {

class SvgCanvas {
public:
    explicit SvgCanvas(double width) : width_(width) {}

    struct Style {
        std::string_view fill = "none";
        std::string_view stroke = "none";
        double opacity = 1;
        double radius = 0;
    };
    /// `title` is shown by browsers when the pointer rests on it.
    void rect(double x, double y, double w, double h, const Style& style, std::string_view title = {});
    void line(double x0, double y0, double x1, double y1, std::string_view stroke, double width = 1);
    void polygon(std::string_view points, std::string_view fill, double opacity);
    struct Font {
        double size = 11;
        std::string_view anchor = "start";  // start, middle, end
        std::string_view fill = "#1f2933";
        bool bold = false;
        bool mono = false;
    };
    void text(double x, double y, std::string_view words, const Font& font);
    void text(double x, double y, std::string_view words) { text(x, y, words, Font{}); }
    /// About how wide `words` will be.
    static double text_width(std::string_view words, double size, bool mono = false);

    /// The whole document, `height` pixels high.
    std::string document(double height, std::string_view title) const;
    /// For the inside of a page: as wide as there is room, without a background, so that its fills may be the page's
    /// (`var(--x)`). `title` is what a screen reader says.
    std::string element(double height, std::string_view title) const;

private:
    double width_;
    std::string body_;
};

}  // namespace baton::sim
