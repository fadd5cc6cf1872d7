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
        verified(fmt::format(
            "step {} ({}): refused memory {} times, one by one, each time ENOMEM, and in the end nothing kept",
            step.index + 1, step.name, refused_));
}

// An attempt may leave what later ones use (a taller tree, a path of nodes, a page of small objects), but not for ever.
sim::Outcome Play::send_refused(const RefusedAlloc& refused, Op op, std::initializer_list<u64> args,
                                std::string_view text) {
    constexpr int kAttemptsMax = 64;
    for (u64 nth = 1;; ++nth) {
        const auto complain = [&](std::string what, std::string why) {
            finding(
                refused.place,
                fmt::format("{} without its allocation {} at {} {}", step_->name, nth, site_name(refused.site), what),
                std::move(why));
        };
        std::optional<u64> before = free_pages_now();
        for (int attempt = 1;; ++attempt) {
            RefusedAlloc next = refused;
            next.nth = nth;
            (void)refused_since(next);
            const sim::Outcome outcome = through_breaks(machine().command(op, args, text));
            if (outcome.kind != sim::Outcome::Kind::kReply) return outcome;
            const u64 failed_now = refused_since({}).value_or(0);
            if (failed_now == 0) return outcome;
            refused_ += attempt == 1 ? failed_now : 0;
            if (const auto error = static_cast<Errno>(outcome.reply.error); error != Errno::kENOMEM) {
                complain(error == Errno::kOk ? "came to success" : "came to another error", "expected ENOMEM");
                return outcome;
            }
            const auto after = free_pages_now();
            if (attempt > 1 && before == after) break;
            if (attempt == kAttemptsMax) {
                complain("keeps pages each time", "a command that fails must give back what it took");
                return outcome;
            }
            before = after;
        }
    }
}

}  // namespace baton::scenarios
