// SPDX-License-Identifier: GPL-2.0-only
// One run of one cell, while it goes on: the machine, the regions, what each step came to.
//
// runner.cpp owns the order of things; play_memory.cpp, play_kexec.cpp and play_expect.cpp are the steps.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "model/kexec/kexec.hpp"
#include "scenarios/engine/play_state.hpp"
#include "scenarios/engine/region.hpp"
#include "scenarios/engine/runner.hpp"
#include "sim/image/image_file.hpp"
#include "sim/machine.hpp"

namespace baton::scenarios {

/// A file the scenario names is unusable, or this build lacks something: ends the run without a verdict on the kernel.
struct Unusable {
    Verdict verdict;
    std::string message;
};

/// The scenario ended, or failed, while a kernel stood at a break.
struct StoppedAtBreak {};

class Play : private PlayState {
public:
    Play(const Scenario& scenario, const Cell& cell, const RunOptions& options);
    RunResult run();

    // For explorers: a run in parts, some of them again and again. Between two steps it can go back to what it was,
    // together with its machine (Machine::restore()).
    /// Plays the steps before `end`; false if one of them failed, or it was not playable (Unusable is thrown).
    bool play_to(u32 end);
    PlayState checkpoint() const { return *this; }
    /// The report begins anew.
    void go_back(const PlayState& state);
    sim::Machine& machine() { return *machine_; }
    const RunResult& result() const { return result_; }
    u32 step_under_way() const { return step_ != nullptr ? step_->index : 0; }

private:
    bool light() const { return options_.watch == Watch::kLight; }
    // runner.cpp
    void play_step(const Step& step);
    void finish(const Step& step);
    void finding(const Step& step, std::string what, std::string detail = {});
    void finding(Place place, std::string what, std::string detail = {});
    void verified(std::string what);
    void collect_log();
    void collect_phases();
    bool failed() const { return !result_.findings.empty() || result_.ending.has_value(); }
    u64 page_size() const { return geometry_of(cell_.arch).page_size(); }

    /// Sends one command as part of the current step and judges a fault. Nothing when the step came to another end.
    std::optional<Reply> send(Op op, std::initializer_list<u64> args = {}, std::string_view text = {});
    /// The same for host bookkeeping: must succeed, else a finding.
    std::optional<Reply> ask(Query what, u64 index = 0);
    /// Plays the steps that follow a break, up to the `continue`, and goes on; never returns kBreak.
    sim::Outcome through_breaks(sim::Outcome outcome);
    /// Judges an outcome against what the step expects. True if it ended as a success that the step may build on.
    bool judge(const Step& step, const sim::Outcome& outcome);
    bool judge_fault(const Step& step, const sim::Fault& fault);
    bool judge_error(const Step& step, Errno error);
    /// A step expected an error or an ending and came to neither.
    void check_expected_end(const Step& step);
    /// What the step under way must come to stands there: on itself, or on the `continue` after its break.
    const Step& expecting(const Step& step) const { return resumed_ != nullptr ? *resumed_ : step; }
    /// Every page of the running kernel is one thing, and none is lost.
    void check_census(const Step& step);
    /// What kernels claim of memory must be so.
    void check_claims(const Step& step);
    /// A step named schedule points that it did not come to.
    void check_reached(const Step& step);
    /// Pokes of the step under way that are still to come, when nothing goes on to them.
    void check_poked();

    // play_report.cpp
    struct StepMark {
        std::size_t row;              // in result_.steps
        const sim::Machine* machine;  // that the step began on
        u64 began_ns;
    };
    StepMark begin_report(const Step& step);
    void end_report(const StepMark& mark);
    std::vector<sim::OwnedRun> owners_now();
    /// At the jump: notes in hop_ what came before it.
    void begin_hop();
    /// Adds to the last hop what came after its jump. When the next begins, the machine is replaced, or all is over.
    void end_hop();

    // play_refused.cpp
    /// Sends a command with each of its allocations refused in turn, again and again: it must fail for lack of memory,
    /// and come to keep none. Then as it is.
    sim::Outcome send_refused(const RefusedAlloc& refused, Op op, std::initializer_list<u64> args,
                              std::string_view text);
    void arm(const Step& step);
    /// What a step was to be refused, it must have asked for.
    void disarm(const Step& step);
    /// Allocations refused since; nothing when no kernel can say.
    std::optional<u64> refused_since(const RefusedAlloc& next);
    std::optional<u64> free_pages_now();

    // play_memory.cpp
    void play(const step::Alloc& a);
    void play(const step::Vmalloc& a);
    void play(const step::Free& a);
    void play(const step::Fill& a);
    void play(const step::Preserve& a);
    void play(const step::Unpreserve& a);
    void play(const step::Restore& a);
    void play(const step::HostPoke& a);
    enum class Verb { kPreserve, kUnpreserve, kRestore };
    void play_range(Verb verb, const Range& range);
    void play_area(Verb verb, const Range& range, Region& region);
    /// Reads the page list of an area into the region's blocks.
    void read_area(Region& region);
    /// The region, found in the kernel if it is a reserve_mem one that this kernel was not asked for yet.
    Region* region(std::string_view name);
    /// Where a place is now, and its size if it has one. Places in the next kernel's boot data exist only after the
    /// relocation: for them it is the boot data itself, and `poke` looks up the field when it acts.
    PhysRange resolve(const PlaceName& place);
    PhysAddr first_source(const Kimage& image);
    /// The free lists of the zone that has the most free pages, of whatever node.
    PhysRange fullest_free_lists(const Kernel& k);
    void poke(const Poke& poke, PhysRange where);
    void schedule_pokes(const Step& step);

    // play_pages.cpp
    void play(const step::Pin& a);
    void play(const step::Unpin& a);
    void play(const step::MemoryBlock& a);
    void play(const step::VmallocRead& a);
    /// The kernel moved a folio of userspace.
    void follow(PhysAddr from, PhysAddr to);
    std::vector<PhysAddr> folios_of(const Region& r) const;
    std::optional<Reply> pin_folio(PhysAddr at, std::vector<PhysAddr>& pinned);

    // play_devices.cpp
    void play(const step::DmaStart& a);
    void play(const step::NicStart& a);
    void play(const step::DeviceStop& a);
    void play(const step::DeviceKeep& a);
    void play(const step::Assign& a);
    void play(const step::Unassign& a);
    void play(const step::VmStart& a);
    void play(const step::VmStop& a);
    void schedule_turns(const Step& step);
    /// Forbidden writes since the last step: those that the step expects, and findings.
    void check_races(const Step& step);
    void expect_live(const Region& r, u32 slot);
    void expect_device(const step::Expect& a);

    // play_kexec.cpp
    void play(const step::Boot& a);
    void play(const step::Finalise& a);
    void play(const step::Abort& a);
    void play(const step::KexecFileLoad& a);
    void play(const step::KexecUnload& a);
    void play(const step::Exec& a);
    void play(const step::SubtreeAdd& a);
    void play(const step::SubtreeGet& a);
    void play(const step::TestKhoSave& a);
    void play(const step::TestKhoRestore& a);
    void play(const step::Save& a);
    void play(const step::Load& a);
    void play(const step::Continue& a);
    std::unique_ptr<sim::Machine> make_machine(const sim::MachineConfig& config);
    void watch(sim::Machine& machine);
    std::filesystem::path images_of_build() const;
    const sim::ImageFile& image(u32 kernel);
    std::vector<u8> initrd(u64 bytes) const;
    /// A file in the kernel's page cache with `bytes`; its slot.
    std::optional<u32> put_file(std::span<const u8> bytes);
    void remember_handed_over();
    void arrived(const Step& step);
    void report_hop(const Step& step);
    void check_handed_over(const Step& step);
    /// Notes a preserved block that is free memory of the outgoing kernel, or offline: it no longer holds what was
    /// meant.
    void check_still_held(PhysRange block);
    /// The tracker that the next kernel finds names other blocks than at the jump.
    bool arrived_otherwise();
    /// Destination of the boot data (zero page or device tree) of the image that is loaded.
    PhysAddr next_boot_data();
    /// What a saved machine must know of the run, beside its regions.
    std::vector<u8> run_state() const;
    void set_run_state(std::span<const u8> bytes);

    // play_capture.cpp
    sim::Outcome boot_captured(const step::Boot& a);
    void entered_captured(const Step& step, const step::Boot& a);
    /// Whether all of it was filled by whoever made the capture that this machine began with.
    bool is_patterned(const Region& r) const;
    void expect_captured();
    void expect_captured_blocks();
    void expect_captured_subtrees();
    void expect_captured_content();

    // play_expect.cpp
    void play(const step::Expect& a);
    void expect_region(const step::Expect& a);
    void expect_pages(const step::Expect& a, const Region& r);
    void expect_image(const step::Expect& a);
    void expect_kernel(const step::Expect& a);
    void expect_log(const step::Expect& a);

    // play_nodes.cpp
    static bool asks_for_nodes(const step::Expect& a);
    void expect_node(const step::Expect& a, const Region& r);
    void expect_nodes(const step::Expect& a);
    void expect_node_counts(bool wanted, u64 online);
    bool logged(std::string_view text) const;
    template <class T>
    void expect_equal(const std::optional<T>& wanted, const T& got, std::string_view what);

    const Scenario& scenario_;
    const Cell& cell_;
    const RunOptions& options_;
    RunResult result_;
    std::unique_ptr<sim::Machine> machine_;
    std::map<u32, sim::ImageFile> images_;
    std::shared_ptr<const sim::Capture> capture_;  // what the machine was booted from

    const Step* step_ = nullptr;               // being played
    const Step* suspended_ = nullptr;          // stopped at its break
    const Step* resumed_ = nullptr;            // the `continue` that the step under way went on by
    bool ended_as_expected_ = false;           // the step met its expect_error or expect_verdict
    u64 refused_ = 0;                          // allocations refused in this step, one by one
    std::vector<const ScheduledPoke*> ahead_;  // of the step under way, not done yet
    u64 censuses_ = 0;                         // taken, and without fault
};

/// Work of phases [first, end) that `after` has and `before` has not; of phases in which nothing happened none.
std::vector<PhaseWork> phases_between(const sim::Ledger& before, const sim::Ledger& after, u32 first, u32 end);

/// A fault as people read it: "panic: early allocation of 4096 bytes failed".
std::string fault_text(const sim::Fault& fault);
Ending ending_of(sim::Fault::Kind kind);

}  // namespace baton::scenarios
