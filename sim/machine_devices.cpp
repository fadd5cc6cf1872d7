// SPDX-License-Identifier: GPL-2.0-only
// Devices in the machine: when they move, and what becomes of their writes.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "model/kernel.hpp"
#include "sim/boot/segment_names.hpp"
#include "sim/guest/runner.hpp"
#include "sim/machine.hpp"
#include "sim/observer.hpp"

namespace baton::sim {
namespace {

inline constexpr std::size_t kForbiddenKindsMax = 256;
inline constexpr u64 kLogWordsMax = u64{1} << 22;
inline constexpr u64 kSlotShift = 56;
inline constexpr u64 kSavedBytesMin = 8;

/// The memory of Site::kDmaMap and kDmaUnmap.
PhysRange mapped_range(u64 arg0, u64 arg1) { return {{arg0}, arg1 & ((u64{1} << kSlotShift) - 1)}; }

std::string_view text_of(DmaOrigin origin) {
    constexpr std::string_view kTexts[] = {"data", "a completion record", "data by a descriptor taken back"};
    return kTexts[static_cast<u32>(origin)];
}

}  // namespace

// --- when -----------------------------------------------------------------------------------------------------------

void Machine::devices_at(Site site, u64 arg0, u64 arg1) {
    const u32 slot = static_cast<u32>(arg1 >> kSlotShift);
    if (site == Site::kDmaMap && slot < bus_.size()) dma_.map(slot, mapped_range(arg0, arg1));
    if (site == Site::kDmaUnmap && slot < bus_.size()) dma_.unmap(slot, mapped_range(arg0, arg1));
    if (site == Site::kKexecJump) leave_kernel();
    watch_.at(site, arg0, arg1);
    for (std::size_t i = 0; i < turns_.size(); ++i) {
        if (turns_[i].at != position_) continue;
        // A monitor counts instructions itself, and a break of the step stands at the point.
        if (turns_[i].after != 0 && guest_ != nullptr && monitor_ == nullptr && break_ != position_)
            late_turns_.push_back(turns_[i]);
        else
            take_turn(turns_[i]);
    }
    bus_.advance(ledger_.now_ns());
}

void Machine::take_turn(const DeviceTurn& turn) {
    // What has nothing to do now has nothing to do a moment later.
    for (u32 n = 0; n < turn.times && bus_.turn(turn.slot, turn.kind, ledger_.now_ns()); ++n) ++turns_taken_;
}

// The CPU stands in a schedule point and goes on for so many instructions. One count at a time: of two turns at one
// point, the second counts from where the first was taken.
Stop Machine::take_late_turns(Stop stop) {
    while (stop.kind == Stop::Kind::kBreak && !broke_) {
        if (counting_late_ && guest_->stopped_after()) {
            take_turn(late_turns_.front());
            late_turns_.erase(late_turns_.begin());
            counting_late_ = false;
        }
        if (!counting_late_) {
            counting_late_ = !late_turns_.empty();
            guest_->stop_after(counting_late_ ? std::optional(late_turns_.front().after) : std::nullopt);
        }
        stop = runner_->proceed();
        if (late_turns_.empty() && !counting_late_) break;
    }
    return stop;
}

void Machine::relax() {
    // An exception cannot cross the kernel's stack.
    try {
        bus_.relax(ledger_.now_ns());
    } catch (...) {
        failure_ = std::current_exception();
    }
}

// Every frame that the next kernel will read to find the handover, and the scratch it will live in.
void Machine::note_handover() {
    const Kernel* k = kernel();
    if (k == nullptr || k->kexec.image.kho_fdt.value == 0) return;
    const Geometry& g = geometry();
    const BootHandover boot{.fdt = k->kexec.image.kho_fdt,
                            .fdt_size = g.page_size(),
                            .scratch = k->kho.scratch,
                            .scratch_bytes = k->kho.scratch_count * sizeof(kho::ScratchArea)};
    const Handover seen = read_handover(boot, g, k->rules(), reader());
    for (const PhysRange& area : seen.scratch) watch_.add_scratch(area);
    const auto add = [this](const HandoverPiece& p) { watch_.add_metadata({p.phys, p.bytes.size()}); };
    add(seen.root_fdt);
    add(seen.scratch_array);
    for (const auto* list : {&seen.sub_fdts, &seen.tracker})
        for (const HandoverPiece& p : *list) add(p);
}

// The last line of a kernel: its image is described in its memory for the last time.
void Machine::leave_kernel() {
    std::vector<ImageWatch::Segment> segments;
    const Kernel* k = kernel();
    const Isa isa = geometry().isa;
    if (k != nullptr) {
        const Kimage& image = k->kexec.image;
        for (u32 i = 0; i < std::min(image.segment_count, kKexecSegmentsMax); ++i) {
            const std::string name = segment_name(isa, image, i);
            const auto role = name == "purgatory" ? ImageWatch::Role::kPurgatory
                              : name == "initrd"  ? ImageWatch::Role::kInitrd
                                                  : ImageWatch::Role::kOther;
            segments.push_back({{image.segments[i].mem, image.segments[i].memsz}, role});
        }
    }
    watch_.jump(std::move(segments), isa == Isa::kX86_64, geometry().page_size());
    note_handover();
    dma_.jump(ownership_);
    bus_.count_hop();
}

bool Machine::mmio_read(PhysAddr reg, u32 width, u64& value) { return bus_.read(reg, width, value, ledger_.now_ns()); }

bool Machine::mmio_write(PhysAddr reg, u32 width, u64 value) { return bus_.write(reg, width, value, ledger_.now_ns()); }

bool Machine::may_be_written_by_device(u64 frame) const {
    const PhysRange range{{frame << kFrameShift}, kFrameSize};
    return std::ranges::any_of(dma_.mappings(), [&](const DmaMap::Mapping& m) {
        return m.fate == DmaMap::Fate::kLive && m.range.contains(range);
    });
}

// --- what becomes of a write ----------------------------------------------------------------------------------------

void Machine::arrive(const Arrival& a) {
    const PhysRange range{a.translated.phys, a.write.bytes.size()};
    // What the IOMMU refuses, and what no memory answers to, changes nothing.
    const bool in_memory = a.translated.passes && memory_.bytes(range) != nullptr;
    const Owner owner = ownership_.at(range.start);
    const bool forbidden = in_memory && judge(a, range);
    if (observer_ != nullptr) tell(a, range, in_memory, owner, forbidden);
    if (!in_memory || !memory_.write(range.start, a.write.bytes)) return;
    runner_->notify_host_write(range);
}

void Machine::set_observer(Observer* observer) {
    observer_ = observer;
    if (observer == nullptr) return bus_.set_posted(nullptr);
    bus_.set_posted([this](const PostedWrite& w) {
        if (observer_ == nullptr) return;
        observer_->dma({.time_ns = ledger_.now_ns(),
                        .id = w.id,
                        .device = w.slot,
                        .device_name = bus_.config(w.slot).name,
                        .kind = DmaEvent::Kind::kPosted,
                        .target = {{w.bus}, w.bytes.size()}});
    });
}

void Machine::tell(const Arrival& a, PhysRange range, bool in_memory, Owner owner, bool forbidden) {
    observer_->dma({.time_ns = ledger_.now_ns(),
                    .id = a.write.id,
                    .device = a.write.slot,
                    .device_name = bus_.config(a.write.slot).name,
                    .kind = in_memory             ? DmaEvent::Kind::kDelivered
                            : a.translated.passes ? DmaEvent::Kind::kDropped
                                                  : DmaEvent::Kind::kBlocked,
                    .target = range,
                    .owner = owner,
                    .forbidden = forbidden});
    if (!forbidden) return;
    const auto is_it = [&](const ForbiddenWrite& w) { return w.write == a.write.id; };
    const auto first = std::ranges::find_if(forbidden_, is_it);
    if (first == forbidden_.end()) return;  // one more of a kind that was told
    observer_->race({.time_ns = ledger_.now_ns(),
                     .dma_id = a.write.id,
                     .id = first->race() ? std::string(info(*first->race()).id) : "",
                     .text = story(*first)});
}

WriteEvent Machine::event_of(const Arrival& a, PhysRange range) const {
    const u32 slot = a.write.slot;
    const DmaMap::Found found = dma_.find(slot, range);
    return {.isa = map_.isa,
            .kind = bus_.config(slot).kind,
            .origin = a.write.origin,
            .phase = ledger_.phase(),
            .owner = ownership_.at(range.start),
            .target = watch_.target(range),
            .mapped = found.live,
            .was_mapped = found.unmapped,
            .lost_at_kexec = found.lost,
            .copied = watch_.is_copied(range),
            .listed = a.translated.listed,
            .stale_translation = a.translated.stale,
            .iommu_on = bus_.iommu().mode() == IommuStage::Mode::kAllowList,
            .bus_master_then = a.write.bus_master,
            .bus_master_since = bus_.bus_master(slot) && bus_.times_off(slot) == a.write.times_off,
            .bus_master_was_off = a.write.was_off,
            .older_kernel = a.write.older || a.write.hop < bus_.hop(),
            .older_then = a.write.older,
            .in_scratch = watch_.in_scratch(range)};
}

// By right: mapped for this device, in memory that can be mapped, and nothing else by now.
bool Machine::judge(const Arrival& a, PhysRange range) {
    const WriteEvent event = event_of(a, range);
    owners_written_[a.write.slot][static_cast<u32>(event.phase)] |= 1u << static_cast<u32>(event.owner);
    const bool can_be_mapped = event.owner == Owner::kDma || event.owner == Owner::kUser ||
                               event.owner == Owner::kPreserved || event.owner == Owner::kHandedOver;
    if (event.mapped && can_be_mapped && event.target == WriteTarget::kPlain) {
        std::map<u64, u64>& log = device_logs_[a.write.slot];
        if (event.kind != device::Kind::kAssigned) return false;
        for (u64 i = 0; i + 8 <= a.write.bytes.size(); i += 8) {
            u64 word;
            std::memcpy(&word, a.write.bytes.data() + i, sizeof(word));
            const auto known = log.find(range.start.value + i);
            if (known != log.end())
                known->second = word;
            else if (log.size() < kLogWordsMax)
                log.emplace(range.start.value + i, word);
        }
        return false;
    }
    ForbiddenWrite w{.slot = a.write.slot,
                     .target = race_by_target(event),
                     .cause = race_by_cause(event),
                     .owner = event.owner,
                     .origin = a.write.origin,
                     .phase = event.phase,
                     .at = position_,
                     .time_ns = ledger_.now_ns(),
                     .write = a.write.id,
                     .bus = a.write.bus,
                     .range = range};
    for (ForbiddenWrite& known : forbidden_)
        if (known.same_kind(w)) {
            ++known.count;
            return true;
        }
    if (forbidden_.size() < kForbiddenKindsMax) forbidden_.push_back(w);
    return true;
}

std::string Machine::story(const ForbiddenWrite& w) const {
    const DeviceConfig& d = bus_.config(w.slot);
    const std::string race =
        w.race() ? fmt::format("{}: {}", info(*w.race()).id, info(*w.race()).title) : "a forbidden write";
    const std::string bus = w.bus == w.range.start.value ? "" : fmt::format(", bus address {:#x}", w.bus);
    std::string out = fmt::format("{}: {} ({}) wrote {} bytes of {} to {:#x}{}, {}, at {}#{} ({} {})", race, d.name,
                                  device::name(d.kind), w.range.size, text_of(w.origin), w.range.start.value, bus,
                                  name(w.owner), w.at.site == Site::kCount ? "no point" : info(w.at.site).name,
                                  w.at.nth, info(w.phase).code, info(w.phase).name);
    if (w.target && w.cause)
        out += fmt::format("; it could because of {}: {}", info(*w.cause).id, info(*w.cause).title);
    return out;
}

// --- saving ---------------------------------------------------------------------------------------------------------

void Machine::save_devices(ByteWriter& to) const {
    bus_.save(to);
    dma_.save(to);
    watch_.save(to);
    for (u32 i = 0; i < bus_.size(); ++i) {
        to.put(u64{device_logs_[i].size()});
        for (const auto& [address, word] : device_logs_[i]) {
            to.put(address);
            to.put(word);
        }
    }
}

void Machine::load_devices(ByteReader& from) {
    bus_.load(from);
    dma_.load(from);
    watch_.load(from);
    for (u32 i = 0; i < bus_.size(); ++i)
        for (u64 n = from.get_count(2 * kSavedBytesMin); n > 0; --n) {
            const u64 address = from.get<u64>();
            device_logs_[i][address] = from.get<u64>();
        }
    from.expect_end();
}

}  // namespace baton::sim
