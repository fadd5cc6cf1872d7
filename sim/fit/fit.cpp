// SPDX-License-Identifier: GPL-2.0-only
#include "sim/fit/fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "sim/boot/segment_names.hpp"
#include "sim/events/log_format.hpp"
#include "sim/machine.hpp"

namespace baton::sim {
namespace {

std::string errno_text(i32 error) {
    for (const ErrnoName& row : kErrnoNames)
        if (static_cast<i32>(row.value) == error) return std::string(row.name);
    return fmt::format("errno {}", error);
}

// One machine, from power-on to wherever the load comes.
class Trial {
public:
    explicit Trial(const FitRequest& request, const std::string& scratch)
        : request_(request),
          page_(geometry_of(request.kernel.geometry()).page_size()),
          machine_(
              std::make_unique<Machine>(MachineConfig{.geometry = request.kernel.geometry(), .map = request.map})) {
        machine_->begin_step();
        line_ = "kho=on" + (scratch.empty() ? std::string() : " kho_scratch=" + scratch);
        const Outcome up = machine_->boot(request.kernel, line_, {});
        if (up.kind != Outcome::Kind::kBooted) {
            answer_.error = fault_text(up.fault);
            keep_log();
            return;
        }
        const Kernel& k = *machine_->kernel();
        if (k.kho.enabled == 0) {
            answer_.error = "KHO disabled";
            keep_log();
            return;
        }
        for (u64 i = 0; i < k.kho.scratch_count; ++i) {
            kho::ScratchArea area{};
            machine_->read(k.kho.scratch + i * sizeof(area), {reinterpret_cast<u8*>(&area), sizeof(area)});
            answer_.areas.push_back({{area.addr, area.size}, area.size});
        }
    }

    bool ready() const { return answer_.error.empty(); }
    FitAnswer& answer() { return answer_; }

    /// Chooses places; true if every segment has one. The load stands at its break then.
    bool place(const std::vector<u8>& image, u64 initrd_bytes) {
        const auto kernel = file(image.size(), image);
        const auto initrd = kernel && initrd_bytes != 0 ? file(initrd_bytes, {}) : kexec::kNoFile;
        if (!kernel || !initrd) return false;
        machine_->begin_step();
        machine_->set_break({Site::kLoadPlaced, 1});
        const Outcome out = machine_->command(Op::kKexecFileLoad, {*kernel, *initrd}, line_);
        if (out.kind != Outcome::Kind::kBreak) return failed(out);
        const Kimage& loading = machine_->kernel()->kexec.loading;
        answer_.segments.clear();
        for (u32 i = 0; i < loading.segment_count; ++i)
            answer_.segments.push_back({segment_name(machine_->geometry().isa, loading, i),
                                        {loading.segments[i].mem, loading.segments[i].memsz}});
        return true;
    }
    /// Goes on to the end of the load.
    bool load() {
        const Outcome out = machine_->proceed();
        return (out.kind == Outcome::Kind::kReply && out.reply.error == 0) || failed(out);
    }
    /// Leaves for what was loaded.
    bool exec() {
        machine_->begin_step();
        Outcome out = machine_->command(Op::kFinalise);
        machine_->begin_step();
        if (out.kind == Outcome::Kind::kReply) out = machine_->command(Op::kExec);
        return out.kind == Outcome::Kind::kBooted || failed(out);
    }
    void measure() {
        constexpr u64 kStructPage = 64;
        answer_.memmap_bytes = align_up(request_.map.ram_bytes, page_) / page_ * kStructPage;
        for (const FitArea& area : answer_.areas) answer_.left_bytes += area.range.size;
        for (const FitSegment& s : answer_.segments) answer_.left_bytes -= std::min(answer_.left_bytes, s.at.size);
        for (FitArea& area : answer_.areas) {
            std::vector<PhysRange> taken;
            for (const FitSegment& s : answer_.segments)
                if (area.range.contains(s.at)) taken.push_back(s.at);
            std::ranges::sort(taken, {}, &PhysRange::start);
            PhysAddr from = area.range.start;
            area.largest_hole = 0;
            for (const PhysRange& t : taken) {
                area.largest_hole = std::max(area.largest_hole, t.start - from);
                from = t.end();
            }
            area.largest_hole = std::max(area.largest_hole, area.range.end() - from);
        }
    }
    void keep_log() {
        for (const Event& line : machine_->events().lines()) {
            const std::string text = machine_->events().text(line);
            if (line.level <= LogLevel::kWarn) answer_.log.push_back(text);
        }
    }

private:
    static std::string fault_text(const Fault& fault) {
        if (fault.kind != Fault::Kind::kPanic) return std::string(verdict_of(fault.kind));
        const std::array<u64, 4> args{fault.args[0], fault.args[1], fault.args[2], 0};
        return "panic: " + format_log(fault.log, args);
    }
    bool failed(const Outcome& out) {
        answer_.error = out.kind == Outcome::Kind::kFault ? fault_text(out.fault) : errno_text(out.reply.error);
        keep_log();
        return false;
    }
    /// A file of the running kernel; the rest of its content is zero.
    std::optional<u32> file(u64 size, const std::vector<u8>& content) {
        machine_->begin_step();
        const Outcome out = machine_->command(Op::kFileCreate, {size});
        if (out.kind != Outcome::Kind::kReply || out.reply.error != 0) {
            failed(out);
            answer_.error += " (the page cache does not hold the file)";
            return std::nullopt;
        }
        const u64 per_index = page_ / sizeof(u64) - 1;
        const auto word = [&](u64 address) {
            u64 value = 0;
            machine_->read({address}, {reinterpret_cast<u8*>(&value), sizeof(value)});
            return value;
        };
        u64 index = out.reply.values[0];
        for (u64 offset = 0, i = 0; offset < content.size(); offset += page_, ++i) {
            if (i == per_index) {
                index = word(index + per_index * sizeof(u64));
                i = 0;
            }
            machine_->host_write({word(index + i * sizeof(u64))},
                                 std::span(content).subspan(offset, std::min<u64>(page_, content.size() - offset)));
        }
        return static_cast<u32>(out.reply.values[1]);
    }

    const FitRequest& request_;
    u64 page_;
    std::unique_ptr<Machine> machine_;
    std::string line_;
    FitAnswer answer_;
};

// The next kernel's early memory comes from scratch, too: one of ours boots beside an initrd as large as all that the
// image and its initrd take. Boundaries fall otherwise for two small pieces than for one large; where that alone is in
// the way, the stand-in gives way by as much.
bool next_boots(const FitRequest& request, const std::string& scratch, FitAnswer& answer) {
    const Geometry& g = geometry_of(request.kernel.geometry());
    const std::vector<u8> ours(request.kernel.bytes().begin(), request.kernel.bytes().end());
    const u64 all = align_up(request.image_bytes + request.initrd_bytes, g.page_size());
    std::string error;
    std::vector<std::string> log;
    for (u64 gives_way = kImageSize; gives_way <= kImageSize + 3 * g.kernel_align; gives_way += g.kernel_align) {
        Trial trial(request, scratch);
        const bool placed = trial.ready() && trial.place(ours, all > gives_way ? all - gives_way : 0);
        if (placed && trial.load() && trial.exec()) return true;
        error = trial.answer().error;
        log = trial.answer().log;
        if (placed) break;
    }
    answer.error = "the next kernel's early boot: " + error;
    answer.log = log;
    return false;
}

FitAnswer fit_with(const FitRequest& request, const std::string& scratch) {
    Trial trial(request, scratch);
    if (trial.ready() && trial.place(request.image, request.initrd_bytes)) {
        trial.measure();
        trial.answer().fits = trial.load();
    }
    FitAnswer answer = std::move(trial.answer());
    if (answer.fits) answer.fits = next_boots(request, scratch, answer);
    return answer;
}

std::string scratch_text(u64 low, u64 global, u64 node) {
    const auto text = [](u64 bytes) {
        return bytes % kMiB == 0 ? fmt::format("{}M", bytes / kMiB) : fmt::format("{}K", bytes / kKiB);
    };
    return fmt::format("{},{},{}", text(low), text(global), text(node));
}

u64 cma_align(const FitRequest& request) {
    const ImageHeader h = request.kernel.header();
    return h.cma_align_shift != 0 ? shl(1, h.cma_align_shift)
                                  : geometry_of(request.kernel.geometry()).pageblock_bytes();
}

// Segments only: where the search begins, for it takes no copying.
bool places_only(const FitRequest& request, const std::string& scratch, bool& disabled) {
    Trial trial(request, scratch);
    disabled = !trial.ready();
    return trial.ready() && trial.place(request.image, request.initrd_bytes);
}

// The smallest low area that is not too small, or 0 if that one is too large already. Too small and too large (there is
// no scratch at all then) do not mix: the smallest that is not too small is searched for, and then looked at.
template <class TooSmall>
u64 first_enough(u64 from, TooSmall&& too_small) {
    u64 small = from - 1;
    u64 enough = from;
    for (u64 step = 1; too_small(enough); step *= 2) {
        small = enough;
        enough += step;
    }
    while (enough - small > 1) {
        const u64 middle = small + (enough - small) / 2;
        (too_small(middle) ? small : enough) = middle;
    }
    return enough;
}

u64 smallest_low(const FitRequest& request, u64 global, u64 node) {
    const u64 unit = cma_align(request);
    const auto text = [&](u64 units) { return scratch_text(units * unit, global, node); };
    const u64 placed = first_enough(1, [&](u64 units) {
        bool disabled = false;
        return !places_only(request, text(units), disabled) && !disabled;
    });
    FitAnswer last;
    const u64 enough = first_enough(placed, [&](u64 units) {
        last = fit_with(request, text(units));
        return !last.fits && !last.areas.empty();
    });
    return fit_with(request, text(enough)).fits ? enough * unit : 0;
}

}  // namespace

FitAnswer try_fit(const FitRequest& request) { return fit_with(request, request.scratch); }

std::optional<std::string> smallest_scratch(const FitRequest& request) {
    const u64 unit = cma_align(request);
    const std::vector<FitArea> areas = Trial(request, request.scratch).answer().areas;
    const u64 global = areas.size() > 1 ? std::max(areas[1].range.size, unit) : unit;
    const u64 node = areas.size() > 2 ? std::max(areas[2].range.size, unit) : unit;
    if (const u64 low = smallest_low(request, global, node); low != 0) return scratch_text(low, global, node);
    if (global == unit && node == unit) return std::nullopt;
    if (const u64 low = smallest_low(request, unit, unit); low != 0) return scratch_text(low, unit, unit);
    return std::nullopt;
}

}  // namespace baton::sim
