// SPDX-License-Identifier: GPL-2.0-only
// What crosses a kexec, seen by the engine: noted at the jump, compared when the next kernel is up.
#include <fmt/format.h>

#include <algorithm>

#include "model/kernel.hpp"
#include "scenarios/engine/play.hpp"
#include "sim/boot/segment_names.hpp"

namespace baton::scenarios {

// The last moment the old kernel runs: what it hands over, and a hash of every frame that must survive.
void Play::remember_handed_over() {
    handed_over_.clear();
    handed_ranges_.clear();
    not_held_.clear();
    poked_.clear();
    hop_ = {};
    begin_hop();
    const Kernel* k = machine().kernel();
    if (k == nullptr) return;
    const Kimage& image = k->kexec.image;
    const bool kho = image.kho_fdt.value != 0;
    for (u32 i = 0; i < std::min(image.segment_count, kKexecSegmentsMax); ++i) {
        const KexecSegment& s = image.segments[i];
        hop_.segments.push_back({sim::segment_name(machine().geometry().isa, image, i), {s.mem, s.memsz}, s.bufsz});
    }
    if (!kho) return;
    const Geometry& g = machine().geometry();
    const sim::BootHandover boot{.fdt = image.kho_fdt,
                                 .fdt_size = g.page_size(),
                                 .scratch = k->kho.scratch,
                                 .scratch_bytes = k->kho.scratch_count * sizeof(kho::ScratchArea)};
    const sim::Handover seen = sim::read_handover(boot, g, k->rules(), machine().reader());
    hop_.fdt = image.kho_fdt;
    hop_.blocks = seen.blocks.size();
    hop_.pages = seen.pages;
    hop_.bytes = seen.pages * g.page_size();
    hop_.scratch = seen.scratch;
    for (const sim::HandoverSubtree& s : seen.subtrees) hop_.subtrees.push_back({s.name, s.blob});
    for (const sim::HandoverBlock& b : seen.blocks) {
        handed_ranges_.push_back({b.phys, g.bytes_of(b.order)});
        machine().hash_frames(handed_ranges_.back(), handed_over_);
        check_still_held(handed_ranges_.back());
    }
}

void Play::check_still_held(PhysRange block) {
    for (const sim::OwnedRun& run : machine().ownership().runs(block))
        if (run.owner == Owner::kFree || run.owner == Owner::kNobody) return not_held_.push_back(run.range.start);
}

// The tracker, read at the jump and again when the next kernel is entered. What the scenario itself changes in between
// is not counted.
bool Play::arrived_otherwise() {
    if (!poked_.empty() || !machine().handover()) return false;
    const auto& blocks = machine().handover()->handover.blocks;
    if (blocks.size() != handed_ranges_.size()) return true;
    const Geometry& g = machine().geometry();
    for (std::size_t i = 0; i < blocks.size(); ++i)
        if (PhysRange{blocks[i].phys, g.bytes_of(blocks[i].order)} != handed_ranges_[i]) return true;
    return false;
}

void Play::check_handed_over(const Step& step) {
    if (handed_ranges_.empty()) return;
    FrameHashes now;
    for (const PhysRange& r : handed_ranges_) machine().hash_frames(r, now);
    u64 changed = 0;
    u64 poked = 0;
    PhysAddr first{};
    for (const auto& [frame, hash] : now) {
        // A frame that nothing had written at the jump held what it held at power-on.
        const auto before = handed_over_.find(frame);
        if (hash == (before != handed_over_.end() ? before->second : machine().untouched_frame_hash())) continue;
        if (poked_.contains(frame))
            ++poked;
        else if (machine().may_be_written_by_device(frame))
            continue;  // `live` compares those
        else if (changed++ == 0)
            first = {frame << kFrameShift};
    }
    const auto* exec = std::get_if<step::Exec>(&step.action);
    const bool other = arrived_otherwise();
    lost_ = changed != 0 || !not_held_.empty() || other;
    if (exec != nullptr && exec->loses && lost_)
        // How much of it is another matter: what lies on it may differ between targets.
        verified(fmt::format("handed-over memory was lost, as expected:{}{}{}", changed != 0 ? " frames changed" : "",
                             !not_held_.empty() ? " blocks were nobody's" : "", other ? " the tracker changed" : ""));
    else if (other)
        finding(step, "another set of blocks arrived than was handed over",
                fmt::format("{} blocks at the jump, {} when the next kernel is entered", hop_.blocks,
                            machine().handover()->handover.blocks.size()));
    else if (changed != 0)
        finding(step, fmt::format("{} preserved frames changed during the handover", changed),
                fmt::format("the first is {}", hex(first)));
    else if (!not_held_.empty())
        finding(step, fmt::format("{} preserved blocks were nobody's at the jump", not_held_.size()),
                fmt::format("free or offline memory; the first is {}", hex(not_held_[0])));
    else if (poked != 0)
        verified(fmt::format("{} handed-over frames changed, all by the scenario's own pokes", poked));
    else
        verified(fmt::format("{} handed-over pages hash the same before exec and after boot", hop_.pages));
}

}  // namespace baton::scenarios
