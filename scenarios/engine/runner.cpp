// SPDX-License-Identifier: GPL-2.0-only
// The order of a run: steps one after the other, each judged as it ends, then the report.
#include "scenarios/engine/runner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "model/kernel.hpp"
#include "scenarios/engine/play.hpp"
#include "sim/boot/loader.hpp"
#include "sim/events/event_log.hpp"
#include "sim/guest/runner.hpp"
#include "sim/pages/census.hpp"
#include "sim/time/profile.hpp"

namespace baton::scenarios {
namespace {

inline constexpr u64 kClaimsTold = 4;  // of a step, in full

std::string_view level_name(LogLevel level) {
    constexpr std::string_view kNames[] = {"error", "warn", "info", "debug"};
    return kNames[static_cast<u32>(level) & 3];
}

std::string_view errno_name(Errno e) {
    for (const ErrnoName& row : kErrnoNames)
        if (row.value == e) return row.name;
    return "an unknown errno";
}

}  // namespace

Play::Play(const Scenario& scenario, const Cell& cell, const RunOptions& options)
    : scenario_(scenario), cell_(cell), options_(options) {
    result_.scenario = scenario.file;
    result_.title = scenario.title;
    result_.cell = cell;
    result_.profile = sim::generic_profile().name;
}

void Play::finding(Place place, std::string what, std::string detail) {
    result_.findings.push_back({step_ != nullptr ? step_->index : 0, place, std::move(what), std::move(detail)});
}

void Play::finding(const Step& step, std::string what, std::string detail) {
    result_.findings.push_back({step.index, step.place, std::move(what), std::move(detail)});
}

void Play::verified(std::string what) { result_.verified.push_back(std::move(what)); }

bool Play::judge_fault(const Step& step, const sim::Fault& fault) {
    dead_ = true;
    const Ending ending = ending_of(fault.kind);
    const std::string text = fault_text(fault);
    const std::optional<Ending> wanted = step.outcome.ending_on(cell_.target);
    if (wanted == ending && text.find(step.outcome.panic) != std::string::npos) {
        ended_as_expected_ = true;
        verified(fmt::format("step {} ({}) ends as {}", step.index + 1, step.name, text));
        return false;
    }
    result_.ending = ending;
    if (sim::GuestRunner* guest = machine().guest(); !light() && guest != nullptr && guest->crash())
        result_.crash = guest->crash()->to_text();
    finding(wanted ? step.outcome.place : step.place, text,
            wanted ? fmt::format("expected {}", info(*wanted).name) : "");
    return false;
}

bool Play::judge_error(const Step& step, Errno error) {
    if (step.outcome.error == error) {
        ended_as_expected_ = true;
        verified(fmt::format("step {} ({}) fails with {}", step.index + 1, step.name, errno_name(error)));
        return false;
    }
    result_.error = error;
    finding(step.outcome.error ? step.outcome.place : step.place,
            fmt::format("{} failed with {}", step.name, errno_name(error)),
            step.outcome.error ? fmt::format("expected {}", errno_name(*step.outcome.error)) : "");
    return false;
}

bool Play::judge(const Step& step, const sim::Outcome& outcome) {
    switch (outcome.kind) {
        case sim::Outcome::Kind::kFault: return judge_fault(step, outcome.fault);
        case sim::Outcome::Kind::kBreak: break;  // through_breaks() leaves none
        case sim::Outcome::Kind::kReply:
            if (outcome.reply.error != 0) return judge_error(step, static_cast<Errno>(outcome.reply.error));
            return true;
        case sim::Outcome::Kind::kBooted: return true;
    }
    return false;
}

// A kernel stands inside a schedule point: what the scenario does next happens there, on top of the step under way,
// until a `continue`. So a step goes on exactly where it was, however many commands it has left.
sim::Outcome Play::through_breaks(sim::Outcome outcome) {
    while (outcome.kind == sim::Outcome::Kind::kBreak) {
        const Step* const broken = step_;
        suspended_ = broken;
        const Step* resume = nullptr;
        while (resume == nullptr) {
            if (next_ == scenario_.steps.size()) throw StoppedAtBreak{};
            const Step& step = scenario_.steps[next_++];
            if (std::holds_alternative<step::Continue>(step.action)) {
                resume = &step;
            } else {
                play_step(step);
                if (failed()) throw StoppedAtBreak{};
            }
            ++result_.steps_done;
        }
        step_ = broken;
        suspended_ = nullptr;
        resumed_ = resume;
        ended_as_expected_ = false;
        if (resume->break_at) machine().set_break({resume->break_at->site, resume->break_at->nth});
        schedule_pokes(*resume);
        schedule_turns(*resume);
        outcome = machine().proceed();
    }
    return outcome;
}

void Play::check_expected_end(const Step& step) {
    if (ended_as_expected_ || failed()) return;
    if (step.outcome.error)
        finding(step.outcome.place, fmt::format("{} succeeded", step.name),
                fmt::format("expected {}", errno_name(*step.outcome.error)));
    else if (const auto wanted = step.outcome.ending_on(cell_.target))
        finding(step.outcome.place, fmt::format("{} went through", step.name),
                fmt::format("expected {}", info(*wanted).name));
}

// What a scenario does at a point that nothing comes to, it does not do: without this it would pass all the same.
void Play::check_reached(const Step& step) {
    if (failed() || !machine_ || machine_->at_break()) return;
    check_poked();
    for (const sim::DeviceTurn& t : machine_->turns_ahead())
        if (!machine_->reached(t.at))
            finding(step, fmt::format("{}#{} was not reached in this step", info(t.at.site).name, t.at.nth),
                    "so no device had its turn there");
    if (const auto ahead = machine_->break_ahead())
        finding(step, fmt::format("{}#{} was not reached in this step", info(ahead->site).name, ahead->nth),
                "so nothing stopped there");
}

void Play::check_census(const Step& step) {
    if (failed() || std::holds_alternative<step::HostPoke>(step.action)) return;  // the next step shows what a poke did
    // Where devices wrote what was not theirs, pages need not add up.
    if (scenario_.replay && step.index >= scenario_.replay->from) return;
    const bool counts = !dead_ && machine_ && machine().waiting() && !census_off_;
    const Kernel* k = counts ? machine().kernel() : nullptr;
    const auto census = k != nullptr ? sim::take_census(machine().memory(), *k, machine().ownership()) : std::nullopt;
    const std::string& wanted = step.outcome.census;
    if (!census) {
        if (!wanted.empty())
            finding(step.outcome.place, "no page census after this step",
                    census_off_ ? "this kernel has lost pages before" : "no kernel waits for a command");
        return;
    }
    std::string faults;
    for (const std::string& fault : census->faults) faults += (faults.empty() ? "" : "; ") + fault;
    if (wanted.empty() && faults.empty()) {
        ++censuses_;
    } else if (wanted.empty()) {
        finding(step, "the page census does not add up", faults);
    } else if (faults.find(wanted) == std::string::npos) {
        finding(step.outcome.place, faults.empty() ? "every page is accounted for" : faults,
                fmt::format("expected: {}", wanted));
    } else {
        verified(fmt::format("step {} ({}): {}", step.index + 1, step.name, faults));
        census_off_ = true;
    }
}

void Play::check_claims(const Step& step) {
    // Where devices wrote what was not theirs, kernels may believe anything.
    if (scenario_.replay && step.index >= scenario_.replay->from) return;
    const sim::ClaimLog& claims = machine().claim_faults();
    const u64 before = std::min(claims_seen_, claims.count());
    claims_seen_ = claims.count();
    std::string told;
    bool found = false;
    for (std::size_t i = before; i < claims.faults().size(); ++i) {
        const std::string text = to_text(claims.faults()[i]);
        found = found || text.find(step.outcome.claim) != std::string::npos;
        if (i - before < kClaimsTold) told += (told.empty() ? "" : "; ") + text;
    }
    const u64 count = claims_seen_ - before;
    if (count > kClaimsTold) told += fmt::format("; and {} more", count - kClaimsTold);
    if (step.outcome.claim.empty()) {
        if (count != 0) finding(step, "the kernel's claim about memory is wrong", told);
    } else if (!found) {
        finding(step.outcome.place, count == 0 ? "every claim about memory is right" : told,
                fmt::format("expected: {}", step.outcome.claim));
    } else {
        verified(fmt::format("step {} ({}): wrong claims about memory: {}", step.index + 1, step.name, told));
    }
}

void Play::check_poked() {
    for (const ScheduledPoke* p : ahead_)
        finding(p->poke.place, fmt::format("{}#{} was not reached in this step", info(p->when.site).name, p->when.nth),
                "so nothing was poked there");
}

std::optional<Reply> Play::send(Op op, std::initializer_list<u64> args, std::string_view text) {
    const auto& refused = step_->fail_alloc;
    const bool each = refused && refused->nth == 0 && op != Op::kExec;
    const sim::Outcome outcome =
        each ? send_refused(*refused, op, args, text) : through_breaks(machine().command(op, args, text));
    if (!judge(expecting(*step_), outcome)) return std::nullopt;
    return outcome.reply;
}

std::optional<Reply> Play::ask(Query what, u64 index) {
    const sim::Outcome outcome = machine().observe(Op::kQuery, {static_cast<u64>(what), index});
    if (outcome.kind == sim::Outcome::Kind::kReply && outcome.reply.error == 0) return outcome.reply;
    if (outcome.kind == sim::Outcome::Kind::kFault) {
        dead_ = true;
        finding(*step_, fault_text(outcome.fault), "while the kernel was asked about itself");
    } else if (outcome.kind == sim::Outcome::Kind::kReply) {
        finding(*step_, fmt::format("the kernel cannot say: {}", errno_name(static_cast<Errno>(outcome.reply.error))));
    }
    return std::nullopt;
}

void Play::collect_log() {
    const auto lines = machine().events().lines();
    for (; log_seen_ < lines.size(); ++log_seen_) {
        const sim::Event& line = lines[log_seen_];
        result_.log.push_back({step_->index, scenario_.kernels[running_].name, std::string(level_name(line.level)),
                               machine().events().text(line), line.time_ns});
    }
}

void Play::collect_phases() {
    const sim::Ledger& ledger = machine().ledger();
    // Handovers are what is measured: the cold boot before the first is not one of them.
    sim::Ledger before(sim::generic_profile());
    if (powered_on_ && !result_.hops.empty()) before.restore(*powered_on_);
    result_.phases = phases_between(before, ledger, 0, kPhaseCount);
    end_hop();
}

void Play::play_step(const Step& step) {
    step_ = &step;
    resumed_ = nullptr;
    ended_as_expected_ = false;
    const bool host_only =
        std::holds_alternative<step::HostPoke>(step.action) || std::holds_alternative<step::Save>(step.action);
    const bool at_break = machine_ && machine_->at_break();
    if (at_break && !host_only && !std::holds_alternative<step::Expect>(step.action) &&
        !std::holds_alternative<step::Continue>(step.action)) {
        finding(step, fmt::format("{} while the kernel stands at a break", step.name),
                "only poke, expect, save and continue can follow a break");
        return;
    }
    if (dead_ && !std::holds_alternative<step::Expect>(step.action) && !host_only) {
        finding(step, fmt::format("no kernel is left for {}", step.name));
        return;
    }
    if (machine_ && !at_break) {
        if (scenario_.replay && step.index == scenario_.replay->from) machine_->bus().set_scheduled(true);
        machine_->begin_step();
        ahead_.clear();
        if (step.break_at) machine_->set_break({step.break_at->site, step.break_at->nth});
        schedule_pokes(step);
        schedule_turns(step);
    }
    const StepMark mark = begin_report(step);
    arm(step);
    std::visit([this](const auto& action) { play(action); }, step.action);
    disarm(step);
    check_expected_end(expecting(step));
    if (!light()) {
        check_reached(step);
        check_races(expecting(step));
        check_census(expecting(step));
        // At a break the step under way is not over: it, or its `continue`, answers for what is claimed.
        if (machine_ && !machine_->at_break()) check_claims(expecting(step));
        if (machine_) collect_log();
        end_report(mark);
    }
    if (machine_ && options_.on_step_end) options_.on_step_end(step.index, *machine_);
}

bool Play::play_to(u32 end) {
    while (next_ < end && next_ < scenario_.steps.size() && !failed()) {
        const Step& step = scenario_.steps[next_++];
        if (options_.on_step) options_.on_step(step.index);
        play_step(step);
    }
    return !failed();
}

void Play::go_back(const PlayState& state) {
    static_cast<PlayState&>(*this) = state;
    ahead_.clear();
    step_ = resumed_ = suspended_ = nullptr;
    jumped_.reset();
    hop_reported_ = false;
    result_.steps.clear();
    result_.findings.clear();
    result_.verified.clear();
    result_.hops.clear();
    result_.ending.reset();
    result_.error.reset();
}

RunResult Play::run() {
    try {
        try {
            while (next_ < scenario_.steps.size() && !failed()) {
                const Step& step = scenario_.steps[next_++];
                if (options_.on_step) options_.on_step(step.index);
                play_step(step);
                if (!failed()) ++result_.steps_done;
            }
        } catch (const StoppedAtBreak&) {
            if (!failed()) check_poked();
            if (!failed()) check_claims(*suspended_);
            if (!failed()) {
                verified(fmt::format("stopped at the break of step {}", suspended_->index + 1));
                ++result_.steps_done;
            }
        }
        if (machine_) collect_log();
        if (censuses_ != 0 && !failed())
            verified(fmt::format("every page accounted for, {} times: free, in use, reserved or preserved", censuses_));
        result_.verdict = failed() ? Verdict::kFail : Verdict::kPass;
    } catch (const Unusable& e) {
        result_.verdict = e.verdict;
        result_.message = e.message;
        if (e.verdict == Verdict::kBadInput && step_ != nullptr)
            result_.message = to_text({scenario_.file, step_->place, e.message, {}});
    }
    if (machine_) {
        collect_phases();
        result_.ram = machine_->map().ram;
        result_.state_hash = machine_->state_hash().hex();
        result_.sequence_hash = machine_->events().site_digest().hex();
        if (machine_->handover()) result_.handover_hash = machine_->handover()->hash;
        if (result_.verdict == Verdict::kFail && !options_.save_on_fail.empty()) {
            machine_->save(options_.save_on_fail, {{"regions", to_bytes(regions_)}, {"run", run_state()}});
            result_.saved = options_.save_on_fail;
        }
    }
    return result_;
}

RunResult run_cell(const Scenario& scenario, const Cell& cell, const RunOptions& options) {
    return Play(scenario, cell, options).run();
}

}  // namespace baton::scenarios
