// SPDX-License-Identifier: GPL-2.0-only
// Memory that is refused: `fail_alloc` of a step (model/mm/alloc_failure.hpp).
#include <fmt/format.h>

#include "model/mm/alloc_failure.hpp"
#include "scenarios/engine/play.hpp"

namespace baton::scenarios {
namespace {

std::string_view site_name(u32 site) {
    return site == kAnySite ? "any site" : info(static_cast<AllocSite>(site - 1)).name;
}

}  // namespace

std::optional<u64> Play::refused_since(const RefusedAlloc& next) {
    const sim::Outcome o = machine().observe(Op::kFailAlloc, {next.site, next.lasting ? 1u : 0u, next.nth});
    if (o.kind != sim::Outcome::Kind::kReply || o.reply.error != 0) return std::nullopt;
    return o.reply.values[1];
}

std::optional<u64> Play::free_pages_now() {
    const auto reply = ask(Query::kFreePages);
    if (!reply) return std::nullopt;
    return reply->values[0];
}

void Play::arm(const Step& step) {
    refused_ = 0;
    if (!step.fail_alloc || step.fail_alloc->nth == 0 || !machine_ || !machine().waiting()) return;
    (void)refused_since(*step.fail_alloc);
}

void Play::disarm(const Step& step) {
    if (!step.fail_alloc || dead_ || !machine_ || !machine().waiting()) return;
    const RefusedAlloc& r = *step.fail_alloc;
    if (r.nth != 0) refused_ += refused_since({}).value_or(0);
    if (refused_ == 0 && !failed())
        finding(r.place, fmt::format("{} was refused nothing", step.name),
                fmt::format("it asks for less memory than that at {}", site_name(r.site)));
    else if (r.nth == 0 && !failed())
        verified(fmt::format("step {} ({}): refused memory {} times, one by one, each time ENOMEM and nothing lost",
                             step.index + 1, step.name, refused_));
}

// The first attempt may leave what later ones use (a taller tree, a page of small objects); the second leaves nothing.
sim::Outcome Play::send_refused(const RefusedAlloc& refused, Op op, std::initializer_list<u64> args,
                                std::string_view text) {
    for (u64 nth = 1;; ++nth) {
        std::optional<u64> before;
        for (int attempt = 0; attempt < 2; ++attempt) {
            before = free_pages_now();
            RefusedAlloc next = refused;
            next.nth = nth;
            (void)refused_since(next);
            const sim::Outcome outcome = through_breaks(machine().command(op, args, text));
            if (outcome.kind != sim::Outcome::Kind::kReply) return outcome;
            const u64 failed_now = refused_since({}).value_or(0);
            if (failed_now == 0) return outcome;
            refused_ += failed_now;
            const auto error = static_cast<Errno>(outcome.reply.error);
            if (error == Errno::kENOMEM) continue;
            finding(refused.place,
                    fmt::format("{} without its allocation {} at {} came to {}", step_->name, nth,
                                site_name(refused.site), error == Errno::kOk ? "success" : "another error"),
                    "expected ENOMEM");
            return outcome;
        }
        if (const auto after = free_pages_now(); before && after && *after != *before) {
            finding(refused.place,
                    fmt::format("{} without its allocation {} at {} keeps {} pages", step_->name, nth,
                                site_name(refused.site), static_cast<i64>(*before - *after)),
                    "a command that fails must give back what it took");
            sim::Outcome stopped;
            stopped.kind = sim::Outcome::Kind::kReply;
            stopped.reply.error = static_cast<i32>(Errno::kENOMEM);
            return stopped;
        }
    }
}

}  // namespace baton::scenarios
