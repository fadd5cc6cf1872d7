// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/svg_canvas.hpp"

#include <fmt/format.h>

namespace baton::sim {
namespace {

/// XML text: markup escaped, what is no printable ASCII replaced (names come from memory).
std::string escaped(std::string_view words) {
    std::string out;
    for (const char c : words) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\n': out += '\n'; break;
            default: out += c >= ' ' && c <= '~' ? c : '?';
        }
    }
    return out;
}

}  // namespace

void SvgCanvas::rect(double x, double y, double w, double h, const Style& style, std::string_view title) {
    body_ +=
        fmt::format(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}")", x, y, w, h, style.fill);
    if (style.stroke != "none") body_ += fmt::format(R"( stroke="{}")", style.stroke);
    if (style.opacity < 1) body_ += fmt::format(R"( opacity="{:.2f}")", style.opacity);
    if (style.radius > 0) body_ += fmt::format(R"( rx="{:.1f}")", style.radius);
    body_ += title.empty() ? std::string("/>\n") : fmt::format("><title>{}</title></rect>\n", escaped(title));
}

void SvgCanvas::line(double x0, double y0, double x1, double y1, std::string_view stroke, double width) {
    body_ += fmt::format(R"(<line x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}" stroke="{}" stroke-width="{}"/>)", x0,
                         y0, x1, y1, stroke, width) +
             "\n";
}

void SvgCanvas::polygon(std::string_view points, std::string_view fill, double opacity) {
    body_ += fmt::format(R"(<polygon points="{}" fill="{}" opacity="{:.2f}"/>)", points, fill, opacity) + "\n";
}

void SvgCanvas::text(double x, double y, std::string_view words, const Font& font) {
    body_ += fmt::format(R"(<text x="{:.2f}" y="{:.2f}" font-size="{}" fill="{}")", x, y, font.size, font.fill);
    if (font.anchor != "start") body_ += fmt::format(R"( text-anchor="{}")", font.anchor);
    if (font.bold) body_ += R"( font-weight="600")";
    if (font.mono) body_ += R"( class="m")";
    body_ += fmt::format(">{}</text>\n", escaped(words));
}

double SvgCanvas::text_width(std::string_view words, double size, bool mono) {
    return static_cast<double>(words.size()) * size * (mono ? 0.61 : 0.56);
}

std::string SvgCanvas::document(double height, std::string_view title) const {
    return fmt::format(
               R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif">)",
               width_, height) +
           fmt::format("\n<title>{}</title>\n", escaped(title)) +
           "<style>.m{font-family:ui-monospace,'SFMono-Regular','DejaVu Sans Mono',monospace}</style>\n"
           R"x(<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">)x"
           R"(<rect width="6" height="6" fill="#e4e7eb"/><rect width="2" height="6" fill="#b8c0cc"/></pattern></defs>)"
           "\n" +
           fmt::format(R"(<rect width="{:.0f}" height="{:.0f}" fill="#ffffff"/>)", width_, height) + "\n" + body_ +
           "</svg>\n";
}

std::string SvgCanvas::element(double height, std::string_view title) const {
    return fmt::format(R"(<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">)", width_, height,
                       escaped(title)) +
           "\n" + body_ + "</svg>\n";
}

}  // namespace baton::sim
