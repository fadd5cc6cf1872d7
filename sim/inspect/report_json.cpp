// SPDX-License-Identifier: GPL-2.0-only
#include <xxhash.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/inspect/pretty_json.hpp"
#include "sim/inspect/report.hpp"

namespace baton::sim {
namespace {

using nlohmann::ordered_json;

std::string hex(u64 v) { return hex_words({v}); }
ordered_json pair(const PhysRange& r) { return ordered_json::array({hex(r.start.value), hex(r.size)}); }
ordered_json block(const HandoverBlock& b) { return ordered_json::array({hex(b.phys.value), b.order.value}); }

ordered_json blocks_ascending(std::vector<HandoverBlock> blocks) {
    std::ranges::sort(blocks);
    ordered_json out = ordered_json::array();
    for (const HandoverBlock& b : blocks) out.push_back(block(b));
    return out;
}

ordered_json tree(const HandoverPiece& p) {
    const TreeHeader t = header_of(p.bytes);
    return {{"phys", hex(p.phys.value)},
            {"totalsize", t.totalsize},
            {"version", t.version},
            {"last_comp_version", t.last_compatible},
            {"boot_cpuid", t.boot_cpu},
            {"off_mem_rsvmap", t.off_reserve},
            {"off_dt_struct", t.off_struct},
            {"size_dt_struct", t.size_struct},
            {"off_dt_strings", t.off_strings},
            {"size_dt_strings", t.size_strings},
            {"xxh3", hex(XXH3_64bits(p.bytes.data(), p.bytes.size()))}};
}

ordered_json area(const VmallocArea& a) {
    ordered_json out = {
        {"first", hex(a.first.value)}, {"total_pages", a.total_pages}, {"flags", a.flags}, {"order", a.order}};
    out["chunks"] = ordered_json::array();
    out["runs"] = ordered_json::array();
    for (PhysAddr c : a.chunks) out["chunks"].push_back(hex(c.value));
    for (PhysAddr r : a.runs) out["runs"].push_back(hex(r.value));
    return out;
}

ordered_json users(const HandoverUsers& u) {
    ordered_json out = ordered_json::object();
    if (u.test_kho) {
        static constexpr const char* kChecked[] = {"unknown", "good", "bad"};
        const TestKho& t = *u.test_kho;
        out["test_kho"] = {{"magic", hex(t.magic)},
                           {"nr_folios", t.folios_stated},
                           {"csum", hex(t.checksum)},
                           {"checked", kChecked[static_cast<u32>(t.checked)]}};
        out["test_kho"]["folios"] = ordered_json::array();
        for (const HandoverBlock& f : t.folios) out["test_kho"]["folios"].push_back(block(f));
        out["test_kho"]["folios_info"] = area(t.area);
    }
    if (u.metadata)
        out["kexec_metadata"] = {{"version", u.metadata->version},
                                 {"previous_release", u.metadata->previous_release},
                                 {"kexec_count", u.metadata->kexec_count}};
    return out;
}

ordered_json tracker(const Inspection& i) {
    const Handover& h = i.handover;
    ordered_json out = {{"head", hex(h.map.value)}};
    if (h.format != nullptr) out["kind"] = h.format->tracker == TrackerKind::kRadix ? "radix" : "chunks";
    out["pages"] = h.pages;
    out["bitmaps"] = ordered_json::array();
    for (const HandoverBitmap& b : h.bitmaps)
        out["bitmaps"].push_back({{"phys", hex(b.phys.value)},
                                  {"size_bytes", b.bytes},
                                  {"order", b.order.value},
                                  {"window", hex(b.window.value)},
                                  {"blocks", b.blocks}});
    return out;
}

void add_required(ordered_json& out, const Inspection& i) {
    const Handover& h = i.handover;
    out["generation"] = i.generation;
    out["preserved"] = blocks_ascending(h.blocks);
    out["scratch"] = ordered_json::array();
    for (const PhysRange& s : h.scratch) out["scratch"].push_back(pair(s));
    out["subtrees"] = ordered_json::object();
    for (const HandoverSubtree& s : h.subtrees) out["subtrees"][s.name] = hex(s.blob.value);
    out["reserve_mem"] = ordered_json::array();
    for (const ReservedRegion& r : i.users.reserve_mem)
        out["reserve_mem"].push_back({r.name, hex(r.start.value), hex(r.size)});
    out["warnings"] = ordered_json::array();
    for (const Warning& w : i.warnings)
        out["warnings"].push_back({{"id", info(w.id).name},
                                   {"severity", info(w.id).severity == Severity::kError ? "error" : "note"},
                                   {"address", hex(w.at.value)},
                                   {"text", w.text}});
}

}  // namespace

std::string inspection_json(const Inspection& i) {
    const Handover& h = i.handover;
    ordered_json out;
    add_required(out, i);
    out["generation_reason"] = i.generation_reason;
    out["source"] = {{"name", i.source.name}, {"kind", i.source.kind}, {"remark", i.source.remark}};
    out["arch"] = i.source.isa ? isa_words(*i.source.isa) : "";
    out["page_size"] = u64{1} << i.page_shift;
    out["boot"] = {{"found", i.found},
                   {"record", hex(i.boot.record_at.value)},
                   {"fdt", hex(i.boot.fdt.value)},
                   {"fdt_size", i.boot.fdt_size},
                   {"scratch", hex(i.boot.scratch.value)},
                   {"scratch_len", i.boot.scratch_bytes}};
    out["cmdline"] = i.cmdline;
    out["compatible"] = h.compatible;
    out["tracker"] = tracker(i);
    out["subtree_sizes"] = ordered_json::object();
    for (const HandoverSubtree& s : h.subtrees)
        if (s.size) out["subtree_sizes"][s.name] = *s.size;
    out["trees"] = ordered_json::array();
    if (!h.root_fdt.bytes.empty()) out["trees"].push_back(tree(h.root_fdt));
    for (const HandoverPiece& p : h.sub_fdts) out["trees"].push_back(tree(p));
    out.update(users(i.users));
    out["metadata"] = ordered_json::array();
    for (const MetadataPiece& m : i.metadata)
        out["metadata"].push_back({m.what, hex(m.range.start.value), hex(m.range.size)});
    out["ram"] = ordered_json::array();
    for (const PhysRange& r : i.ram) out["ram"].push_back(pair(r));
    return pretty(out) + "\n";
}

}  // namespace baton::sim
