// SPDX-License-Identifier: GPL-2.0-only
// The whole machine: RAM, clock and ledger, ownership, event log, and whatever runs kernels on it.
//
// It is driven in steps. A step gives the kernel something to do and ends when the kernel waits again, is gone, or has
// come to a break. Host actions can be hung on schedule points of the step. Between steps, and at the instant of a
// jump, nothing lives on a kernel's stack, so the machine is RAM and a few numbers: it can be saved, loaded in another
// process and continued (decisions D17, D22). Inside a step a save is the last such instant, and what to replay.
#pragma once

#include <array>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/command.hpp"
#include "model/geometry.hpp"
#include "sim/capture/capture.hpp"
#include "sim/events/event_log.hpp"
#include "sim/fabric/bus.hpp"
#include "sim/handover/handover.hpp"
#include "sim/image/image_file.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/memory/saved_machine.hpp"
#include "sim/memory/snapshot.hpp"
#include "sim/memory/state_hash.hpp"
#include "sim/memory_map.hpp"
#include "sim/ownership/claims.hpp"
#include "sim/ownership/dma_map.hpp"
#include "sim/ownership/image_watch.hpp"
#include "sim/ownership/ownership_map.hpp"
#include "sim/ownership/races.hpp"
#include "sim/random.hpp"
#include "sim/services.hpp"
#include "sim/time/ledger.hpp"

namespace baton {
struct Kernel;
}

namespace baton::sim {

class GuestRunner;
class Monitor;
class Observer;

struct MachineConfig {
    GeometryId geometry = GeometryId::kX86_64;
    Target target = Target::kNative;
    u64 ram_bytes = 512 * kMiB;     // of a built-in machine
    std::optional<MachineMap> map;  // of a described one
    u64 seed = 0;
    u8 fill = 0;  // what RAM holds at power-on
    StepBudget budget;
    std::vector<DeviceConfig> devices;  // in their slots' order
};

/// The nth time (from 1, since the step began) that a schedule point is announced.
struct SiteHit {
    Site site = Site::kCount;
    u64 nth = 1;
    bool operator==(const SiteHit&) const = default;
};

/// How a step ended.
struct Outcome {
    enum class Kind {
        kReply,   // the kernel answered
        kBooted,  // a kernel is up and waits for its first command
        kBreak,   // stopped at the break of this step
        kFault,   // the kernel is gone for good
    } kind = Kind::kFault;
    Reply reply{};
    Fault fault;
    SiteHit stopped_at;
};

/// A turn of a device at a schedule point of the step.
struct DeviceTurn {
    SiteHit at;
    u32 slot = 0;
    TurnKind kind = TurnKind::kBoth;
    u32 times = 1;
    u64 after = 0;  // instructions of a guest behind the point; a native kernel has none: at the point
    bool operator==(const DeviceTurn&) const = default;
};

/// A write of a bus master to memory that was not its to write.
struct ForbiddenWrite {
    u32 slot = 0;
    std::optional<Race> target;  // what it hit, if the catalogue has a name for it
    std::optional<Race> cause;   // why the device could
    Owner owner = Owner::kNobody;
    DmaOrigin origin = DmaOrigin::kData;
    Phase phase = Phase::kLoad;
    SiteHit at;
    u64 time_ns = 0;
    u64 write = 0;  // of the bus
    u64 bus = 0;
    PhysRange range;
    u64 count = 1;  // such writes: same device, owner, race, phase and site
    /// The race it counts as: what it hit, or else why.
    std::optional<Race> race() const { return target ? target : cause; }
    bool is(Race r) const { return target == r || cause == r; }
    bool same_kind(const ForbiddenWrite& o) const {
        return slot == o.slot && owner == o.owner && target == o.target && cause == o.cause && phase == o.phase &&
               at.site == o.at.site;
    }
};

/// Frame number → hash of its content.
using FrameHashes = std::map<u64, Hash128>;

/// What crossed a kexec, seen from outside at the first line of the next kernel.
struct SeenHandover {
    BootHandover boot;
    Handover handover;                      // empty when no KHO data was passed
    std::string hash;                       // handover_hash; empty likewise
    Generation sender = Generation::k6_18;  // of the kernel that wrote it
    PhysAddr image;                         // of the kernel that received it
    PhysAddr argument;                      // what the boot protocol passed: zero page or device tree
};

class Machine final : private Services {
public:
    /// Throws MachineError.
    explicit Machine(const MachineConfig& config);
    ~Machine() override;

    // --- steps ------------------------------------------------------------------------------------------------------

    /// Forgets the last step's break, actions and counts; the next calls belong to a new step.
    void begin_step();
    void set_break(SiteHit at) { break_ = at; }
    /// The step's break, while nothing has come there.
    std::optional<SiteHit> break_ahead() const { return break_; }
    /// Runs `action` inside the schedule point, before any break there.
    void add_action(SiteHit at, std::function<void()> action);
    /// A device moves inside the schedule point, before what else happens there.
    void add_turn(const DeviceTurn& turn) { turns_.push_back(turn); }
    /// The step has come past this point.
    bool reached(SiteHit at) const { return seen_[static_cast<u32>(at.site)] >= at.nth; }
    /// Turns of this step that found something to do.
    u64 turns_taken() const { return turns_taken_; }
    const std::vector<DeviceTurn>& turns_ahead() const { return turns_; }

    /// Power-on: the boot loader places the image (decision D26). Throws LoaderError for what cannot be placed.
    Outcome boot(const ImageFile& image, std::string_view command_line, std::span<const u8> initrd);
    /// Power-on in the middle of a handover: RAM as a capture says, and the image where the captured kernel began. What
    /// is not as captured is noted in the event log. Throws LoaderError, InputError.
    Outcome boot_captured(const Capture& capture, const ImageFile& image, std::optional<std::string_view> command_line);
    /// One command; Op::kExec ends as kBooted of the next kernel. The kernel must be waiting.
    Outcome command(Op op, std::initializer_list<u64> args = {}, std::string_view text = {});
    /// A command of the observer, not of the scenario: its work is not in the ledger.
    Outcome observe(Op op, std::initializer_list<u64> args = {}, std::string_view text = {});
    /// Goes on after kBreak.
    Outcome proceed();

    /// Called when a kernel has moved a folio of userspace (Site::kMmMigrate): what page tables of userspace would say.
    void set_migration_listener(std::function<void(PhysAddr from, PhysAddr to)> f) { migrated_ = std::move(f); }
    /// Null: none. It must outlive the machine, or be taken away before.
    void set_monitor(Monitor* monitor) { monitor_ = monitor; }
    /// Null: none; likewise.
    void set_observer(Observer* observer);

    /// Whether every jump is compared with the ownership map and every handover hashed. That costs more than some
    /// kexecs do, and explorers do without.
    void set_oracles(bool on) { oracles_ = on; }

    bool waiting() const { return state_ == State::kWaiting; }
    bool at_break() const { return state_ == State::kBreak; }

    // --- looking and touching ---------------------------------------------------------------------------------------

    const MachineConfig& config() const { return config_; }
    /// Null on a native machine.
    GuestRunner* guest() { return guest_; }
    const Geometry& geometry() const { return geometry_of(config_.geometry); }
    const MachineMap& map() const { return map_; }
    PhysicalMemory& memory() { return memory_; }
    bool read(PhysAddr a, std::span<u8> bytes) const { return memory_.read(a, bytes); }
    /// A write by the host. It is recorded with its place in the step, so that a replay makes it again.
    bool host_write(PhysAddr a, std::span<const u8> bytes);
    RamReader reader() const;
    TouchedFrames touched();
    /// The running kernel's object in RAM; null when none runs.
    const Kernel* kernel() const;
    const OwnershipMap& ownership() const { return ownership_; }
    Bus& bus() { return bus_; }
    const Bus& bus() const { return bus_; }
    const DmaMap& dma() const { return dma_; }
    /// A live mapping of some device covers the frame.
    bool may_be_written_by_device(u64 frame) const;
    /// Forbidden writes since power-on, each kind once, in the order of the first of its kind.
    const std::vector<ForbiddenWrite>& forbidden() const { return forbidden_; }
    /// Owners whose memory writes of a device have come to in a phase, since the machine was made: a bit each. No going
    /// back takes one away.
    u32 owners_written(u32 slot, Phase phase) const { return owners_written_[slot][static_cast<u32>(phase)]; }
    /// One of them as people read it.
    std::string story(const ForbiddenWrite& w) const;
    /// What a device of a virtual machine has written to memory that it may write: word by word, the last of each.
    const std::map<u64, u64>& device_log(u32 slot) const { return device_logs_[slot]; }
    /// Where what kernels said about memory is not so, in order.
    const ClaimLog& claim_faults() const { return claims_; }
    const Ledger& ledger() const { return ledger_; }
    const EventLog& events() const { return events_; }
    /// Of the last hop; nothing before the first exec.
    const std::optional<SeenHandover>& handover() const { return handover_; }
    /// The blocks that the running kernel has reserved because they were handed over, in its order; of a machine that
    /// was loaded from a file, those since then.
    const std::vector<HandoverBlock>& deserialised() const { return deserialised_; }
    /// Where the running kernel was told its initrd lies; size 0 = none.
    PhysRange initrd() const { return initrd_; }
    bool last_jump_swapped() const { return jump_.three_way_swap; }
    /// RAM, machine state, ledger (decision D32).
    Hash128 state_hash();
    /// Adds a hash of every frame of a range that anything ever wrote; the others hold what they held at power-on.
    void hash_frames(PhysRange range, FrameHashes& into);
    /// The hash of those others.
    Hash128 untouched_frame_hash() const;

    // --- going back -------------------------------------------------------------------------------------------------

    /// The machine while its kernel waits (decision D17): cheap to take and to go back to, any number of times and in
    /// any order. It belongs to this machine. Throws std::logic_error when the kernel does not wait.
    class Moment;
    Moment moment();
    /// As it was then, whatever has become of the machine since. A step begins.
    void restore(const Moment& moment);

    // --- saving -----------------------------------------------------------------------------------------------------

    /// The machine now, or, at a break, the last instant before it with what to replay. `components` are the caller's
    /// own named blobs. Throws SaveError.
    void save(const std::filesystem::path& file, const SavedComponents& components);
    /// A machine from a file, ready to go on: replayed to its break if it was saved at one (`outcome` says so).
    struct Loaded {
        std::unique_ptr<Machine> machine;
        SavedMachine file;               // for the caller's own components
        std::optional<Outcome> outcome;  // of the replay
    };
    /// `budget` of the steps to come; calls 0 = as it was. Throws SaveError.
    static Loaded load(const std::filesystem::path& file, const StepBudget& budget);

private:
    enum class State : u32 { kOff, kWaiting, kBreak, kJumped, kDead };
    /// What a step set going, to be done again from the last instant without a stack.
    enum class Pending : u32 { kNone, kStart, kCommand, kTransfer };
    struct RecordedWrite {
        SiteHit at;
        PhysAddr to;
        std::vector<u8> bytes;
    };
    /// The machine where no kernel had anything on a stack.
    struct Instant {
        Snapshot ram;
        SavedHeader header;
        SavedComponents components;
    };
    struct Action {
        SiteHit at;
        std::function<void()> run;
    };

    // Services, called by the runner from inside a kernel.
    SiteAction at(Site site, u64 arg0, u64 arg1) override;
    SiteAction charge(Work work, u64 amount) override;
    void own(PhysRange range, Owner from, Owner to) override;
    bool mmio_read(PhysAddr reg, u32 width, u64& value) override;
    bool mmio_write(PhysAddr reg, u32 width, u64 value) override;
    void log(LogLevel level, Log id, const u64 (&args)[4]) override;
    void warn(u32 file, u32 line) override;
    u64 now() override;
    u64 random(u32 stream) override;
    void load_root(PhysAddr table) override { root_ = table; }
    u64 budget() const override { return config_.budget.calls; }
    void relax() override;

    // machine_devices.cpp
    void devices_at(Site site, u64 arg0, u64 arg1);
    void take_turn(const DeviceTurn& turn);
    Stop take_late_turns(Stop stop);
    void leave_kernel();
    void note_handover();
    void arrive(const Arrival& arrival);
    /// Whether the write is forbidden.
    bool judge(const Arrival& arrival, PhysRange range);
    void tell(const Arrival& arrival, PhysRange range, bool in_memory, Owner owner, bool forbidden);
    WriteEvent event_of(const Arrival& arrival, PhysRange range) const;
    void save_devices(ByteWriter& to) const;
    void load_devices(ByteReader& from);

    Outcome settle(Stop stop);
    Outcome go(Pending what);
    Stop attend(Stop stop);
    void enter_kernel(PhysAddr image, u64 argument);
    void remember_instant();
    SavedHeader header() const;
    SavedComponents components() const;
    void put_state(ByteWriter& to) const;
    void get_state(ByteReader& from);
    void put_replay(ByteWriter& to) const;
    void get_replay(ByteReader& from);
    void restore_cpu(ByteReader& from);
    bool spend();
    void keep_claims(std::vector<ClaimFault> faults);
    void compare_jump();
    void change_kernel(const SeenHandover* seen);

    MachineConfig config_;
    MachineMap map_;
    PhysicalMemory memory_;
    RamHash hasher_;
    RamSnapshots snapshots_;
    Ledger ledger_;
    EventLog events_;
    OwnershipMap ownership_;
    Bus bus_;
    DmaMap dma_;
    ImageWatch watch_;
    std::vector<ForbiddenWrite> forbidden_;
    std::array<std::map<u64, u64>, device::kSlots> device_logs_;
    std::array<std::array<u32, kPhaseCount>, device::kSlots> owners_written_{};
    bool oracles_ = true;
    ClaimLog claims_;
    std::unique_ptr<KernelRunner> runner_;
    GuestRunner* guest_ = nullptr;  // the same object, if it is one
    Monitor* monitor_ = nullptr;
    Observer* observer_ = nullptr;
    std::function<void(PhysAddr, PhysAddr)> migrated_;

    State state_ = State::kOff;
    Pending pending_ = Pending::kNone;
    PhysAddr start_image_;
    u64 start_argument_ = 0;
    EntryTables start_tables_;
    platform::Jump jump_;
    PhysAddr kernel_;  // Kernel object; 0 = none
    PhysAddr root_;
    PhysRange initrd_;
    u32 sender_generation_ = 0;
    std::optional<SeenHandover> handover_;
    std::vector<HandoverBlock> deserialised_;
    std::map<u32, Random> randoms_;
    bool parked_ = false;  // the waiting kernel's command loop is on the runner's stack, or in the guest's RAM

    // This step.
    std::exception_ptr failure_;  // of host code that ran inside a schedule point
    u64 calls_left_ = 0;
    std::array<u64, kSiteCount> seen_{};
    SiteHit position_;
    std::optional<SiteHit> break_;
    bool broke_ = false;  // the stop under way is that break
    std::vector<Action> actions_;
    std::vector<DeviceTurn> turns_;
    u64 turns_taken_ = 0;
    std::vector<DeviceTurn> late_turns_;  // whose point was passed, and whose instructions are to come
    bool counting_late_ = false;          // for the first of them
    std::vector<RecordedWrite> writes_;
    std::vector<RecordedWrite> replayed_writes_;
    std::optional<Instant> instant_;  // kept only when the step has a break
};

class Machine::Moment {
    friend class Machine;
    Snapshot ram_;
    Ledger::State ledger_;
    EventLog::State events_;
    OwnershipMap::State ownership_;
    Bus::State bus_;
    std::vector<DmaMap::Mapping> dma_;
    ImageWatch watch_;
    std::vector<ForbiddenWrite> forbidden_;
    std::array<std::map<u64, u64>, device::kSlots> device_logs_;
    ClaimLog::State claims_;
    CpuFields cpu_;
    platform::Jump jump_;
    PhysAddr kernel_;
    PhysAddr root_;
    PhysRange initrd_;
    u32 sender_generation_ = 0;
    std::optional<SeenHandover> handover_;
    std::map<u32, Random> randoms_;
};

}  // namespace baton::sim
