// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/captures.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace baton::test {

LooseCapture::LooseCapture(const std::filesystem::path& folder) : source(sim::open_capture(folder)) {
    const sim::Capture capture = sim::read_capture(folder);
    source.expect.reset();
    source.memory = {};
    for (const sim::CaptureSegment& s : capture.segments) {
        std::ifstream in(s.path, std::ios::binary);
        auto segment = std::make_unique<Segment>();
        segment->phys = s.range.start;
        segment->bytes.assign(std::istreambuf_iterator<char>(in), {});
        segment->file = s.file;
        source.memory.add_bytes(segment->phys, segment->bytes, nullptr);
        segments.push_back(std::move(segment));
    }
    for (const PhysRange& r : capture.patterned) source.memory.add_pattern(r);
    source.memory.seal();
}

sim::Inspection LooseCapture::inspect(const sim::InspectOptions& options) const {
    return sim::inspect(source, options);
}

bool same_findings(const sim::Inspection& a, const sim::Inspection& b) {
    const auto headers = [](const sim::Inspection& i) {
        std::vector<sim::TreeHeader> out = {sim::header_of(i.handover.root_fdt.bytes)};
        for (const sim::HandoverPiece& p : i.handover.sub_fdts) out.push_back(sim::header_of(p.bytes));
        return out;
    };
    return a.warnings == b.warnings && a.generation == b.generation && a.page_shift == b.page_shift &&
           a.boot.fdt == b.boot.fdt && a.boot.scratch == b.boot.scratch &&
           a.boot.scratch_bytes == b.boot.scratch_bytes && a.cmdline == b.cmdline &&
           a.handover.compatible == b.handover.compatible && a.handover.map == b.handover.map &&
           a.handover.subtrees == b.handover.subtrees && a.handover.blocks == b.handover.blocks &&
           a.handover.bitmaps == b.handover.bitmaps && a.handover.scratch == b.handover.scratch && a.users == b.users &&
           a.metadata == b.metadata && headers(a) == headers(b);
}

}  // namespace baton::test
