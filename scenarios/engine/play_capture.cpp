// SPDX-License-Identifier: GPL-2.0-only
// A machine that begins in the middle of a captured handover, and whether the kernel makes of it what it should.
#include <fmt/format.h>

#include <algorithm>

#include "model/kernel.hpp"
#include "scenarios/engine/play.hpp"
#include "sim/handover/handover.hpp"

namespace baton::scenarios {
namespace {

std::string text_of(const sim::HandoverBlock& b) { return fmt::format("{} order {}", hex(b.phys), b.order.value); }

using Blocks = std::vector<sim::HandoverBlock>;

/// "the 3rd is X, expected Y"; empty if there is no difference.
std::string difference(const Blocks& is, const Blocks& wanted) {
    const std::size_t n = std::min(is.size(), wanted.size());
    for (std::size_t i = 0; i < n; ++i)
        if (is[i] != wanted[i])
            return fmt::format("number {} is {}, expected {}", i + 1, text_of(is[i]), text_of(wanted[i]));
    if (is.size() > n) return fmt::format("number {} is {}, expected no more", n + 1, text_of(is[n]));
    if (wanted.size() > n) return fmt::format("number {} is missing: {}", n + 1, text_of(wanted[n]));
    return {};
}

Blocks sorted(Blocks blocks) {
    std::ranges::sort(blocks, [](const sim::HandoverBlock& a, const sim::HandoverBlock& b) {
        return a.phys != b.phys ? a.phys < b.phys : a.order < b.order;
    });
    return blocks;
}

}  // namespace

sim::Outcome Play::boot_captured(const step::Boot& a) {
    // The captured kernel's command line, unless the scenario wants another.
    const KernelSpec& spec = scenario_.kernels[a.kernel];
    std::optional<std::string_view> line;
    if (a.command_line)
        line = *a.command_line;
    else if (!spec.command_line.empty())
        line = spec.command_line;
    machine().add_action({Site::kKernelEntry, 1}, [this] {
        const auto& seen = machine().handover();
        if (!seen) return;
        const Geometry& g = machine().geometry();
        handed_over_.clear();
        handed_ranges_.clear();
        hop_ = {};
        hop_.fdt = seen->boot.fdt;
        hop_.blocks = seen->handover.blocks.size();
        hop_.pages = seen->handover.pages;
        hop_.bytes = hop_.pages * g.page_size();
        hop_.scratch = seen->handover.scratch;
        for (const sim::HandoverSubtree& s : seen->handover.subtrees) hop_.subtrees.push_back({s.name, s.blob});
        for (const sim::HandoverBlock& b : seen->handover.blocks) {
            handed_ranges_.push_back({b.phys, g.bytes_of(b.order)});
            machine().hash_frames(handed_ranges_.back(), handed_over_);
        }
    });
    return machine().boot_captured(*a.capture, image(a.kernel), line);
}

void Play::entered_captured(const Step& step, const step::Boot& a) {
    hop_.step = step.index;
    hop_.from = a.capture->name;
    hop_.to = scenario_.kernels[a.kernel].name;
    hop_.arrived = true;
    hop_.kho_boot = machine().kernel()->kho.is_kho_boot != 0;
    result_.hops.push_back(hop_);
    if (hop_.kho_boot) check_handed_over(step);
}

bool Play::is_patterned(const Region& r) const {
    if (!capture_) return false;
    return std::ranges::all_of(r.blocks, [&](const Block& b) {
        return std::ranges::any_of(capture_->patterned, [&](const PhysRange& p) {
            return p.contains(PhysRange{b.phys, b.pages * page_size()});
        });
    });
}

// What the kernel reserved, in its order, is what an observer reads in RAM, and it is what the real kernel found.
void Play::expect_captured_blocks() {
    const Blocks& reserved = machine().deserialised();
    const auto& seen = machine().handover();
    const Blocks walked = seen ? seen->handover.blocks : Blocks{};
    if (const std::string d = difference(reserved, walked); !d.empty())
        finding(*step_, "the kernel did not reserve what was handed over, in its order", d);
    if (capture_->expect) {
        Blocks wanted;
        for (const auto& [at, order] : capture_->expect->preserved) wanted.push_back({at, order});
        if (const std::string d = difference(sorted(reserved), sorted(wanted)); !d.empty())
            finding(*step_, "the kernel did not reserve what the capture expects", d);
    }
    for (const sim::HandoverBlock& b : reserved) {
        const u64 bytes = machine().geometry().bytes_of(b.order);
        for (const PhysAddr page : {b.phys, b.phys + (bytes - page_size())}) {
            const auto state = ask(Query::kPageState, page.value);
            if (!state) return;
            if (state->values[3] == 0 && (state->values[2] & kPageFree) != 0) {
                finding(*step_, fmt::format("page {} of the block {} is not reserved", hex(page), text_of(b)));
                return;
            }
        }
    }
    if (!failed())
        verified(fmt::format("{} blocks reserved as captured, in the order of their tracker", reserved.size()));
}

void Play::expect_captured_subtrees() {
    const auto& seen = machine().handover();
    const auto subtrees = seen ? seen->handover.subtrees : std::vector<sim::HandoverSubtree>{};
    if (capture_->expect) {
        std::vector<std::string> wanted = capture_->expect->sub_fdts;
        std::vector<std::string> names;
        for (const sim::HandoverSubtree& s : subtrees) names.push_back(s.name);
        std::ranges::sort(wanted);
        std::ranges::sort(names);
        if (names != wanted)
            finding(*step_, fmt::format("{} subtrees were handed over", names.size()),
                    fmt::format("the capture expects {}", wanted.size()));
    }
    for (const sim::HandoverSubtree& s : subtrees) {
        const sim::Outcome o = machine().observe(Op::kRetrieveSubtree, {}, s.name);
        const bool found = o.kind == sim::Outcome::Kind::kReply && o.reply.error == 0;
        if (!found || o.reply.values[0] != s.blob.value)
            finding(*step_, fmt::format("the kernel does not find subtree {}", s.name),
                    found ? fmt::format("at {}, expected {}", hex({o.reply.values[0]}), hex(s.blob)) : "no such name");
        else
            verified(fmt::format("subtree {} found at {}", s.name, hex(s.blob)));
    }
}

void Play::expect_captured_content() {
    for (const PhysRange& p : capture_->patterned) {
        const u64 page = page_size();
        Region r{.name = fmt::format("patterned memory at {}", hex(p.start)), .captured = true};
        r.blocks = r.original = {{p.start, p.size / page}};
        if (const auto d = first_difference(machine(), r))
            finding(*step_, fmt::format("{} is not intact", r.name),
                    fmt::format("byte {} is {:#04x}, was {:#04x}", hex(d->at), d->is, d->was));
        else
            verified(fmt::format("{} at {} intact, as its maker filled it", size_text(p.size), hex(p.start)));
    }
}

void Play::expect_captured() {
    if (!capture_) {
        finding(*step_, "this machine was not booted from a capture", "boot with `capture`");
        return;
    }
    expect_captured_blocks();
    expect_captured_subtrees();
    expect_captured_content();
}

}  // namespace baton::scenarios
