// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "sim/inspect/report.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kRunsShown = 6;  // per order, unless verbose

/// Equal blocks one after the other.
struct Run {
    PhysAddr start;
    u64 blocks;
};

std::vector<Run> runs_of(std::vector<PhysAddr> starts, u64 block_bytes) {
    std::ranges::sort(starts);
    std::vector<Run> out;
    for (PhysAddr s : starts) {
        if (!out.empty() && out.back().start + out.back().blocks * block_bytes == s)
            ++out.back().blocks;
        else
            out.push_back({s, 1});
    }
    return out;
}

class TextReport {
public:
    TextReport(const Inspection& i, bool verbose) : i_(i), h_(i.handover), verbose_(verbose) {}

    std::string run() {
        head();
        subtrees();
        users();
        scratch();
        preserved();
        if (verbose_) details();
        warnings();
        return std::move(text_);
    }

private:
    template <class... Args>
    void line(fmt::format_string<Args...> format, Args&&... args) {
        text_ += fmt::format(format, std::forward<Args>(args)...);
        while (!text_.empty() && text_.back() == ' ') text_.pop_back();
        text_ += '\n';
    }
    u64 page() const { return u64{1} << i_.page_shift; }
    static std::string range(PhysRange r) {
        const std::string text = fmt::format("{}..{}", hex_words(r.start), hex_words({r.end().value - 1}));
        return fmt::format("{:<27} {:>8}", text, size_words(r.size));
    }

    void head() {
        line("{}  {}{}{}", i_.source.name, i_.source.kind, i_.source.remark.empty() ? "" : ": ", i_.source.remark);
        line("generation   {} ({}); {}, {} pages", i_.generation.empty() ? "unknown" : i_.generation,
             i_.generation_reason, i_.source.isa ? isa_words(*i_.source.isa) : "ISA unknown", size_words(page()));
        line("root FDT     {:<12} {}, {} bytes; address by {}", hex_words(h_.root_fdt.phys),
             h_.compatible.empty() ? "no known tree" : h_.compatible, h_.root_fdt.bytes.size(), found());
        if (!i_.cmdline.empty()) line("cmdline      {}", i_.cmdline);
    }
    std::string found() const {
        if (i_.boot.record_at.value == 0 || i_.found.find(" at ") != std::string::npos) return i_.found;
        const bool x86 = i_.source.isa == Isa::kX86_64;
        return fmt::format("{}, confirmed by the {} at {}", i_.found, x86 ? "setup_data node" : "device tree",
                           hex_words(i_.boot.record_at));
    }

    void subtrees() {
        if (h_.subtrees.empty()) return;
        line("subtrees");
        u64 width = 0;
        for (const HandoverSubtree& s : h_.subtrees) width = std::max(width, s.name.size());
        for (const HandoverSubtree& s : h_.subtrees)
            line("  {:<{}}  {:<12} {}", s.name, std::max<u64>(width, 9), hex_words(s.blob), blob_words(i_, s));
    }

    void users() {
        if (!i_.users.reserve_mem.empty()) line("reserve_mem");
        for (const ReservedRegion& r : i_.users.reserve_mem)
            line("  {:<9}  {}", r.name, r.size != 0 ? range({r.start, r.size}) : hex_words(r.start) + " empty");
        if (i_.users.test_kho) test_kho(*i_.users.test_kho);
        if (i_.users.metadata)
            line("kexec        written by Linux {}, after {} kexecs with a handover",
                 i_.users.metadata->previous_release, i_.users.metadata->kexec_count);
    }
    void test_kho(const TestKho& t) {
        u64 bytes = 0;
        for (const HandoverBlock& f : t.folios)
            if (f.order.value <= order_max(i_.page_shift)) bytes += page() << f.order.value;
        static constexpr std::string_view kChecked[] = {"not checked: the contents are not here", "verified", "WRONG"};
        line("test_kho     {} of {} folios, {}; checksum {:#010x} {}", t.folios.size(), t.folios_stated,
             size_words(bytes), t.checksum, kChecked[static_cast<u32>(t.checked)]);
        line("  list       vmalloc of {} pages, order {}, flags {:#x}; {} chunks from {}", t.area.total_pages,
             t.area.order, t.area.flags, t.area.chunks.size(), hex_words(t.area.first));
        if (!verbose_) return;
        for (const HandoverBlock& f : t.folios) line("    {:<12} order {}", hex_words(f.phys), f.order.value);
    }

    void scratch() {
        if (i_.boot.scratch.value == 0 && i_.boot.scratch_bytes == 0) {
            line("scratch      not known");
            return;
        }
        line("scratch      array at {}, {} bytes", hex_words(i_.boot.scratch), i_.boot.scratch_bytes);
        for (u64 n = 0; n < h_.scratch.size(); ++n) {
            const PhysRange& s = h_.scratch[n];
            line("  {:<9}  {}", scratch_words(n), s.size != 0 ? range(s) : hex_words(s.start) + " empty");
        }
    }

    void preserved() {
        line("preserved    {} block{}, {} pages, {}; {}", h_.blocks.size(), h_.blocks.size() == 1 ? "" : "s", h_.pages,
             size_words(h_.pages * page()), tracker());
        std::map<u32, std::vector<PhysAddr>> by_order;
        for (const HandoverBlock& b : h_.blocks) by_order[b.order.value].push_back(b.phys);
        for (const auto& [order, starts] : by_order) {
            const u64 bytes = page() << order;
            const std::vector<Run> runs = runs_of(starts, bytes);
            const bool one_line = verbose_ || runs.size() == 1;
            line("  order {:<4} {:>5} x {:<8} {:>8}  {}", order, starts.size(), size_words(bytes),
                 size_words(bytes * starts.size()),
                 one_line && runs.size() == 1
                     ? fmt::format("{}..{}", hex_words(runs[0].start),
                                   hex_words({runs[0].start.value + runs[0].blocks * bytes - 1}))
                     : "");
            if (!one_line) show_runs(runs, bytes);
        }
        if (verbose_) show_bitmaps();
    }
    std::string tracker() const {
        if (h_.format == nullptr || h_.map.value == 0) return "no tracker";
        const u64 others = h_.tracker.size() - std::min(h_.tracker.size(), h_.bitmaps.size());
        if (h_.format->tracker == TrackerKind::kRadix)
            return fmt::format("radix tree at {}: {} tables, {} leaves", hex_words(h_.map), others, h_.bitmaps.size());
        const u64 bytes = h_.format->bitmap_bytes != 0 ? h_.format->bitmap_bytes : page();
        return fmt::format("chunk list at {}: {} chunks, {} bitmaps of {} bytes", hex_words(h_.map), others,
                           h_.bitmaps.size(), bytes);
    }
    void show_runs(const std::vector<Run>& runs, u64 bytes) {
        for (u64 n = 0; n < std::min<u64>(runs.size(), kRunsShown); ++n) {
            const std::string count = runs[n].blocks == 1 ? "" : fmt::format("x{}", runs[n].blocks);
            line("    {} {}", range({runs[n].start, runs[n].blocks * bytes}), count);
        }
        if (runs.size() > kRunsShown) line("    and {} more runs: -v", runs.size() - kRunsShown);
    }
    void show_bitmaps() {
        for (const HandoverBitmap& b : h_.bitmaps) {
            line("  {} {:<12} order {}, {} blocks", b.bytes == page() && is_radix() ? "leaf  " : "bitmap",
                 hex_words(b.phys), b.order.value, b.blocks);
            for (u64 n = b.first_block; n < b.first_block + b.blocks; ++n) {
                const HandoverBlock& block = h_.blocks[n];
                line("    {} order {}", range({block.phys, page() << block.order.value}), block.order.value);
            }
        }
    }
    bool is_radix() const { return h_.format != nullptr && h_.format->tracker == TrackerKind::kRadix; }

    void details() {
        line("metadata     {} pieces", i_.metadata.size());
        for (const MetadataPiece& m : i_.metadata) line("  {:<20} {}", m.what, range(m.range));
        line("trees");
        tree("root FDT", h_.root_fdt);
        for (const HandoverPiece& p : h_.sub_fdts) tree("subtree", p);
        line("RAM          {}", i_.ram_known ? "" : "as far as the dump holds it");
        for (const PhysRange& r : i_.ram) line("             {}", range(r));
        for (const NamedRange& r : i_.source.image) line("  {:<10} {}", r.name, range(r.range));
    }
    void tree(const char* what, const HandoverPiece& p) {
        const TreeHeader t = header_of(p.bytes);
        line("  {:<9} {:<12} version {}/{}, reserve map {:#x}, structure {:#x}+{:#x}, strings {:#x}+{:#x}, total {:#x}",
             what, hex_words(p.phys), t.version, t.last_compatible, t.off_reserve, t.off_struct, t.size_struct,
             t.off_strings, t.size_strings, t.totalsize);
    }

    void warnings() {
        u64 errors = 0;
        for (const Warning& w : i_.warnings) errors += info(w.id).severity == Severity::kError;
        if (i_.warnings.empty()) {
            line("warnings     none");
            return;
        }
        line("warnings     {} error{}, {} note{}", errors, errors == 1 ? "" : "s", i_.warnings.size() - errors,
             i_.warnings.size() - errors == 1 ? "" : "s");
        for (const Warning& w : i_.warnings)
            line("  {:<5} {:<22} {:<12} {}", info(w.id).severity == Severity::kError ? "error" : "note",
                 info(w.id).name, hex_words(w.at), w.text);
    }

    const Inspection& i_;
    const Handover& h_;
    const bool verbose_;
    std::string text_;
};

}  // namespace

std::string inspection_text(const Inspection& inspection, bool verbose) {
    return TextReport(inspection, verbose).run();
}

std::string size_words(u64 bytes) {
    static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    u32 unit = 0;
    u64 whole = bytes;
    while (unit + 1 < std::size(kUnits) && whole >= 1024 && whole % 1024 == 0) {
        whole /= 1024;
        ++unit;
    }
    if (whole < 10240) return fmt::format("{} {}", whole, kUnits[unit]);
    double value = static_cast<double>(whole);
    while (unit + 1 < std::size(kUnits) && value >= 1024) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string hex_words(PhysAddr a) { return fmt::format("{:#x}", a.value); }

std::string_view isa_words(Isa isa) { return isa == Isa::kX86_64 ? "x86_64" : "aarch64"; }

std::string scratch_words(u64 index) {
    return index == 0 ? "low" : index == 1 ? "global" : fmt::format("node {}", index - 2);
}

std::string blob_words(const Inspection& i, const HandoverSubtree& s) {
    for (const HandoverPiece& p : i.handover.sub_fdts) {
        if (p.phys != s.blob) continue;
        const auto compatible = tree_string(p.bytes.data(), 0, "compatible");
        return fmt::format("{}, {} bytes", compatible ? std::string(*compatible) : "a tree", p.bytes.size());
    }
    for (const HandoverPiece& p : i.handover.blobs)
        if (p.phys == s.blob) return fmt::format("{} bytes, no tree", p.bytes.size());
    return i.source.memory.holds({s.blob, 1}) ? "no tree that can be read" : "not in the source";
}

}  // namespace baton::sim
