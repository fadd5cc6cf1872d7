// SPDX-License-Identifier: GPL-2.0-only
// Plays a scenario without a machine: is the power on, is a kernel loaded, does the region exist?
//
// Steps are taken at their word: what is expected to fail has no effect, what is expected to end the kernel ends it,
// and a step that breaks has its effect when a `continue` ends it. After `load` nothing is known, and nothing is
// checked that would need it.
#include <fmt/format.h>

#include <map>
#include <sstream>

#include "scenarios/engine/parse.hpp"
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

enum class Life { kOff, kRunning, kStopped, kGone, kUnknown };

struct Region {
    u32 step;   // people's number of the step it came from
    u64 pages;  // 0 = not known
    bool reserved_by_name;
    u32 freed = 0;  // people's number of the step that freed it; it can still be looked at
    u64 block = 0;  // pages of one block of an allocated region
};

/// The names of every reserve_mem= of a command line.
std::vector<std::string> reserve_mem_names(const std::string& command_line) {
    constexpr std::string_view kOption = "reserve_mem=";
    std::vector<std::string> names;
    std::istringstream words(command_line);
    for (std::string word; words >> word;) {
        const std::size_t colon = word.rfind(':');
        if (word.starts_with(kOption) && colon != std::string::npos) names.push_back(word.substr(colon + 1));
    }
    return names;
}

class OrderCheck {
public:
    OrderCheck(const Scenario& scenario, bool complete, DiagnosticSink& sink)
        : scenario_(scenario), sink_(sink), life_(complete ? Life::kOff : Life::kUnknown), open_(!complete) {}

    void run() {
        for (const Step& step : scenario_.steps) {
            step_ = &step;
            check_life();
            std::visit([this](const auto& action) { needs(action); }, step.action);
            for (const ScheduledPoke& scheduled : step.at) needs_poke(scheduled.poke);
            effect();
        }
    }

private:
    void wrong(std::string message, std::string hint = {}) {
        sink_.add(step_->place, std::move(message), std::move(hint));
    }
    template <class T>
    bool is() const {
        return std::holds_alternative<T>(step_->action);
    }
    u32 number() const { return step_->index + 1; }

    void check_life() {
        const bool host = is<step::HostPoke>() || is<step::Save>() || is<step::Load>() || is<step::Expect>();
        switch (life_) {
            case Life::kOff:
                if (!is<step::Boot>() && !is<step::Load>())
                    wrong(fmt::format("the machine is off when step \"{}\" comes", step_->name),
                          "begin with do = \"boot\", or do = \"load\"");
                break;
            case Life::kRunning:
                if (is<step::Boot>())
                    wrong("the machine is on already", "leave a kernel with do = \"exec\"; power on once");
                if (is<step::Continue>()) wrong("there is nothing to continue", "a step before it needs \"break\"");
                break;
            case Life::kStopped:
                if ((!host && !is<step::Continue>()) || is<step::Load>())
                    wrong(fmt::format("step {} stands at a break when step \"{}\" comes", since_, step_->name),
                          "only poke, expect, save and continue can follow a break");
                break;
            case Life::kGone:
                if (!host)
                    wrong(fmt::format("the kernel ended in step {}, before step \"{}\"", since_, step_->name),
                          "only poke, expect, save and load can follow");
                break;
            case Life::kUnknown: break;
        }
        if (life_ == Life::kOff || is<step::Load>()) life_ = Life::kUnknown;  // say it once
    }

    /// Names a region whose memory may be gone.
    bool outlives_memory() const {
        return is<step::Expect>() || is<step::Unpin>() || is<step::VmallocRead>() || is<step::MemoryBlock>();
    }
    const Region* needs_region(const std::string& name) {
        const auto found = regions_.find(name);
        if (found != regions_.end()) {
            if (found->second.freed != 0 && !outlives_memory())
                wrong(fmt::format("region \"{}\" was freed in step {}", name, found->second.freed),
                      "expect, unpin, vmalloc_read and the steps on memory blocks can still name it");
            return &found->second;
        }
        if (open_ || name.empty()) return nullptr;
        std::vector<std::string_view> names;
        names.reserve(regions_.size());
        for (const auto& [known, region] : regions_) names.push_back(known);
        wrong(fmt::format("region \"{}\" does not exist when step \"{}\" comes", name, step_->name),
              names.empty() ? "make it with do = \"alloc\", or reserve_mem= on the command line"
                            : suggestion(name, names));
        return nullptr;
    }
    void needs_range(const Range& range) {
        if (range.at) return;
        const Region* region = needs_region(range.region);
        if (region == nullptr || region->pages == 0) return;
        if (range.first >= region->pages || range.pages.value_or(1) > region->pages - range.first)
            wrong(fmt::format("pages {} to {} are not all in region \"{}\"", range.first,
                              range.first + range.pages.value_or(1) - 1, range.region),
                  fmt::format("it has pages 0 to {}", region->pages - 1));
    }
    void needs_poke(const Poke& poke) {
        if (poke.target.kind == PlaceKind::kRegion) needs_region(poke.target.region);
    }

    void needs_new(const std::string& name) {
        if (const auto found = regions_.find(name); found != regions_.end())
            wrong(fmt::format("region \"{}\" exists since step {}", name, found->second.step),
                  "give this one another name");
    }
    void needs(const step::Alloc& alloc) { needs_new(alloc.region); }
    void needs(const step::Vmalloc& area) { needs_new(area.region); }
    void needs(const step::Free& free) {
        const Region* region = needs_region(free.region);
        if (region != nullptr && region->reserved_by_name)
            wrong(fmt::format("region \"{}\" is reserved memory", free.region), "only what was allocated can be freed");
        if (region != nullptr && free.every > 1 && region->block == 0)
            wrong(fmt::format("region \"{}\" is no list of blocks", free.region), "free it as a whole");
    }
    void needs(const step::Fill& fill) { needs_region(fill.region); }
    void needs(const step::Preserve& preserve) { needs_range(preserve.range); }
    void needs(const step::Unpreserve& unpreserve) { needs_range(unpreserve.range); }
    void needs(const step::Restore& restore) { needs_range(restore.range); }
    void needs(const step::SubtreeAdd& add) { needs_range(add.range); }
    void needs(const step::SubtreeGet& get) {
        if (get.range) needs_range(*get.range);
    }
    void needs(const step::Pin& pin) { needs_region(pin.region); }
    void needs(const step::Unpin& unpin) { needs_region(unpin.region); }
    void needs(const step::VmallocRead& read) { needs_region(read.region); }
    void needs(const step::MemoryBlock& block) {
        if (!block.at) needs_region(block.region);
    }
    void needs(const step::DmaStart& start) {
        if (!start.own_buffer && start.target.kind == PlaceKind::kRegion) needs_region(start.target.region);
    }
    void needs(const step::Assign& assign) { needs_region(assign.region); }
    void needs(const step::Unassign& unassign) { needs_region(unassign.region); }
    void needs(const step::VmStart& start) { needs_region(start.region); }
    void needs(const step::HostPoke& poke) { needs_poke(poke.poke); }
    void needs(const step::Expect& expect) { needs_region(expect.region); }
    void needs(const step::Exec&) {
        if (life_ == Life::kRunning && !open_ && !loaded_ && !step_->outcome.error)
            wrong("no kernel is loaded when step \"exec\" comes",
                  "do = \"kexec_file_load\" first, or expect_error = \"EINVAL\"");
    }
    void needs(const auto&) {}

    void effect() {
        if (step_->break_at) {
            if (!is<step::Continue>()) pending_ = step_;
            life_ = Life::kStopped;
            since_ = number();
            return;
        }
        if (step_->outcome.ending) {
            life_ = Life::kGone;
            since_ = number();
            return;
        }
        const bool continued = is<step::Continue>();
        if (continued) life_ = pending_ != nullptr ? Life::kRunning : Life::kUnknown;
        const Step* done = continued ? pending_ : step_;
        pending_ = continued ? nullptr : pending_;
        if (done == nullptr) return;
        if (step_->outcome.error) return failed(*done);
        std::visit([this](const auto& action) { happened(action); }, done->action);
    }

    /// Of many blocks, those that could be had are there.
    void failed(const Step& step) {
        const auto* alloc = std::get_if<step::Alloc>(&step.action);
        if (alloc == nullptr || alloc->count <= 1) return;
        const u64 block = alloc->kind == BlockKind::kPages ? alloc->pages : alloc->order.pages();
        regions_.try_emplace(alloc->region, Region{number(), 0, false, 0, block});
    }
    void happened(const step::Boot& boot) {
        life_ = Life::kRunning;
        open_ = open_ || boot.capture != nullptr;  // regions of its command line
        arrived(boot.kernel, boot.command_line);
    }
    void happened(const step::Alloc& alloc) {
        const u64 block = alloc.kind == BlockKind::kPages ? alloc.pages : alloc.order.pages();
        regions_.try_emplace(alloc.region, Region{number(), block * alloc.count, false, 0, block});
    }
    void happened(const step::Vmalloc& area) { regions_.try_emplace(area.region, Region{number(), area.pages, false}); }
    void happened(const step::Free& free) {
        const auto found = regions_.find(free.region);
        if (found == regions_.end()) return;
        Region& r = found->second;
        if (free.every > 1 && r.block != 0)
            r.pages -= (r.pages / r.block + free.every - 1) / free.every * r.block;
        else
            r.freed = number();
    }
    void happened(const step::KexecFileLoad& load) { loaded_ = &load; }
    void happened(const step::KexecUnload&) { loaded_ = nullptr; }
    void happened(const step::Exec&) {
        if (loaded_ == nullptr) return;
        arrived(loaded_->kernel, loaded_->command_line);
        loaded_ = nullptr;
    }
    void happened(const step::Load&) {
        open_ = true;
        loaded_ = nullptr;
        pending_ = nullptr;
    }
    void happened(const auto&) {}

    void arrived(u32 kernel, const std::optional<std::string>& command_line) {
        for (const std::string& name : reserve_mem_names(command_line.value_or(scenario_.kernels[kernel].command_line)))
            regions_.try_emplace(name, Region{number(), 0, true});
    }

    const Scenario& scenario_;
    DiagnosticSink& sink_;
    const Step* step_ = nullptr;
    Life life_;
    bool open_;      // regions and images may exist that no step made
    u32 since_ = 0;  // step of the break or the end
    const Step* pending_ = nullptr;
    const step::KexecFileLoad* loaded_ = nullptr;
    std::map<std::string, Region, std::less<>> regions_;
};

}  // namespace

void check_order(const Scenario& scenario, bool complete, DiagnosticSink& sink) {
    OrderCheck(scenario, complete, sink).run();
}

}  // namespace baton::scenarios
