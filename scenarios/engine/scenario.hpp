// SPDX-License-Identifier: GPL-2.0-only
// A scenario, parsed: plain data, checked, with nothing left to look up (language: docs/scenarios.md).
//
// A scenario is a matrix of machines, a few kernel images by name, and a list of steps. The parser (parse.hpp) makes
// one from a TOML file; the engine expands the matrix into cells and run_cell (runner.hpp) plays the steps on each.
// Every enumeration here is a table of the model or of places.hpp, so a name can only be spelled one way.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/command.hpp"
#include "model/drivers/drivers.hpp"
#include "model/errno.hpp"
#include "model/geometry.hpp"
#include "model/rules.hpp"
#include "model/sites.hpp"
#include "model/types.hpp"
#include "scenarios/engine/device_actions.hpp"
#include "scenarios/engine/diagnostic.hpp"
#include "scenarios/engine/places.hpp"
#include "scenarios/engine/verdict.hpp"
#include "sim/capture/capture.hpp"
#include "sim/fabric/bus.hpp"
#include "sim/memory_map.hpp"
#include "sim/ownership/races.hpp"
#include "sim/services.hpp"

namespace baton::scenarios {

// --- the machine ----------------------------------------------------------------------------------------------------

using sim::Target;
struct TargetInfo {
    Target target;
    std::string_view name;
    std::string_view meaning;
};
inline constexpr TargetInfo kTargets[] = {
    {Target::kNative, "native", "the kernel runs as host code"},
    {Target::kGuest, "guest", "the kernel runs on an emulated CPU"},
};
constexpr const TargetInfo& info(Target t) { return kTargets[static_cast<u32>(t)]; }

/// The matrix: every combination is one cell.
struct MachineMatrix {
    std::vector<GeometryId> archs;
    std::vector<Target> targets;
    std::vector<u64> ram_bytes;                                 // built-in machines
    std::vector<u64> node_bytes;                                // whose RAM these nodes have; empty: no NUMA
    std::vector<std::shared_ptr<const sim::FirmwareMap>> maps;  // or described ones
    std::vector<u64> seeds;
    std::vector<u8> fills;  // byte that fills RAM before power-on
};

/// One machine of the matrix.
struct Cell {
    GeometryId arch = GeometryId::kX86_64;
    Target target = Target::kNative;
    u64 ram_bytes = 0;
    std::shared_ptr<const sim::MachineMap> map;  // of a described machine
    u64 seed = 0;
    u8 fill = 0;
};

// --- kernels --------------------------------------------------------------------------------------------------------

/// The order of the functions in an image of the build: the same kernel as other machine code.
enum class ImageLayout : u32 { kSource, kReversed, kSorted };
struct ImageLayoutInfo {
    ImageLayout layout;
    std::string_view name;
    std::string_view file;  // without its extension
};
inline constexpr ImageLayoutInfo kImageLayouts[] = {
    {ImageLayout::kSource, "source", "baton"},
    {ImageLayout::kReversed, "reversed", "baton-reversed"},
    {ImageLayout::kSorted, "sorted", "baton-sorted"},
};
constexpr const ImageLayoutInfo& info(ImageLayout l) { return kImageLayouts[static_cast<u32>(l)]; }

/// `[kernel.NAME]`: one kernel image. What is written here goes into the image file before it is loaded (D11).
struct KernelSpec {
    std::string name;
    Place place;
    Generation generation = Generation::k6_18;
    KexecBase kexec_base = KexecBase::k6_14;
    u64 cma_align_bytes = 0;  // 0 = the geometry's pageblock
    u32 options = kOptionScratchFloor;
    u64 defects[2] = {};  // the generation's, with the scenario's additions and removals
    std::string command_line;
    ImageLayout layout = ImageLayout::kSource;
    std::string image;  // path of another image file; empty = the build's image of the cell's architecture
};

// --- what steps work on ---------------------------------------------------------------------------------------------

/// How blocks were, or are to be, preserved: as folios (one bit a block), as runs of pages (split by address), or as
/// the pages of one vmalloc area.
enum class BlockKind : u32 { kFolio, kPages, kVmalloc };

/// Memory a step works on: pages of a named region, or a bare physical address (negative tests).
struct Range {
    std::string region;           // empty: `at` is meant
    std::optional<PhysAddr> at;   // `phys`
    u64 first = 0;                // page of the region where it starts, over all its blocks in order
    std::optional<u64> pages;     // nothing: to the end of the region (with `phys`: one page)
    std::optional<BlockKind> as;  // nothing: as the region was allocated (with `phys`: folio)
    bool whole() const { return !at && first == 0 && !pages; }
};

/// Bytes of physical memory that the host changes: the hand that breaks things.
struct Poke {
    PlaceName target;  // resolved when the step that holds it begins
    u64 offset = 0;    // bytes into the place
    bool exclusive_or = false;
    std::vector<u8> bytes;  // in memory order
    u64 repeat = 1;         // how often, one after the other; 0 = as often as the place has room
    Place place;            // in the scenario file
};

/// The k-th time (from 1, counted from the step's start) that a schedule point is announced.
struct SitePoint {
    Site site = Site::kCount;
    u64 nth = 1;
};

/// `[[step.turn]]`: a device moves inside a step.
struct ScheduledTurn {
    SitePoint when;
    u32 device = 0;  // index into Scenario::devices
    sim::TurnKind kind = sim::TurnKind::kBoth;
    u32 times = 1;
    u64 after = 0;  // instructions behind the point, of a guest
    Place place;
};

/// `fail_alloc`: an allocation that the kernel is refused in this step.
struct RefusedAlloc {
    u32 site = 0;          // AllocSite + 1, or kAnySite
    u64 nth = 1;           // of the step, from 1; 0 = each in turn
    bool lasting = false;  // and all that follow it
    Place place;
};

/// `[[step.at]]`: a host action inside a step.
struct ScheduledPoke {
    SitePoint when;
    Poke poke;
};

// --- steps, one struct a kind (kinds: steps.hpp) --------------------------------------------------------------------

namespace step {

/// Powers the machine on: the boot loader role of D26, or, with a capture, the end of somebody else's kexec. Only once,
/// unless the machine is replaced by `load`.
struct Boot {
    u32 kernel = 0;                               // index into Scenario::kernels
    std::optional<std::string> command_line;      // instead of the kernel's own
    u64 initrd_bytes = 0;                         // 0 = none; content is a function of (seed, size)
    std::shared_ptr<const sim::Capture> capture;  // null: a cold boot
};
/// Allocates user memory: `count` blocks, each a folio of 2^order pages or a run of `pages` pages.
struct Alloc {
    std::string region;
    BlockKind kind = BlockKind::kFolio;
    Order order;
    u64 pages = 0;
    u64 count = 1;
    std::optional<u32> node;  // to be tried first
    bool this_node = false;   // and no other
    bool movable = false;     // may lie in CMA, and be moved
};
/// A vmalloc area: `pages` pages in runs of 2^order.
struct Vmalloc {
    std::string region;
    u64 pages = 0;
    Order order;
};
/// Gives blocks back: every `every`th, from the first on; the region keeps the others.
struct Free {
    std::string region;
    u64 every = 1;
};
/// The host writes the pattern of (seed, address, region) as userspace of the running kernel (D25).
struct Fill {
    std::string region;
};
struct Preserve {
    Range range;
};
struct Unpreserve {
    Range range;
};
struct Restore {
    Range range;
};
struct Finalise {};
struct Abort {};
struct KexecFileLoad {
    u32 kernel = 0;
    std::optional<std::string> command_line;
    u64 initrd_bytes = 0;
};
struct KexecUnload {};
/// reboot(KEXEC): done when the next kernel takes commands.
struct Exec {
    bool loses = false;  // memory that is handed over must be lost
};
struct SubtreeAdd {
    std::string name;
    Range range;               // its first address is the blob
    std::optional<u64> bytes;  // of the blob; nothing: one page
    u64 count = 1;             // more: that many subtrees, called name-0, name-1, …
};
/// The blob's address must be the start of `range`, its size `bytes`, if they are given.
struct SubtreeGet {
    std::string name;
    std::optional<Range> range;
    std::optional<u64> bytes;
};
/// lib/test_kho's outgoing and incoming half (docs/specs/kho.md §7).
struct TestKhoSave {
    u64 bytes_max = 0;
};
struct TestKhoRestore {};
/// Long-term pins on every folio of a region.
struct Pin {
    std::string region;
};
struct Unpin {
    std::string region;
};
/// A memory block goes offline, online, away, or comes back.
struct MemoryBlock {
    BlockChange change = BlockChange::kOffline;
    std::string region;          // the block of its first page, where that was when it was made or last filled
    std::optional<PhysAddr> at;  // or the block's start
    bool driver_managed = false;
};
/// The running kernel reads an area through its virtual address.
struct VmallocRead {
    std::string region;
    bool differs = false;  // what it reads must not be what was filled in
};
struct HostPoke {
    Poke poke;
};
struct Save {
    std::string file;
};  // absolute
struct Load {
    std::string file;
};
/// Goes on after a `break`, or after `load` of a machine that was saved at one.
struct Continue {};

/// Everything that is given must hold; each failure is a finding of its own.
struct Expect {
    // of a region, block by block
    std::string region;
    std::optional<bool> intact;        // content equals what was last filled, at the addresses now known
    std::optional<bool> same_address;  // its blocks are where they were when they were allocated or first reserved
    std::optional<bool> reserved;      // every page has the reserved flag
    std::optional<bool> free;          // every page is in the page allocator
    std::optional<Order> order;        // of every block's head page
    std::optional<bool> tails;         // every page of a block but the first is a tail page of it
    std::optional<u64> refcount;       // of every block's head page
    std::optional<u64> node;           // every page is on it
    std::optional<bool> pinned;        // every block's head page is
    std::optional<bool> cma;           // every page lies in a CMA pageblock
    std::optional<u32> live;           // every word is as this device wrote it last, or as it was filled
    // of a device
    std::optional<u32> device;
    std::optional<u64> arrived;  // writes of it that came to memory, at least
    std::optional<u64> refused;  // writes of it that the IOMMU refused, at least
    // of the running kernel
    std::optional<bool> kho_boot;
    std::optional<bool> kho_enabled;
    std::optional<bool> finalised;
    std::optional<u64> scratch_count;     // live scratch areas
    std::optional<u64> preserved_blocks;  // in the outgoing tracker
    std::optional<u64> preserved_pages;
    std::optional<u64> incoming_blocks;  // in the tracker that was handed over
    std::vector<u32> incoming_orders;    // of these, in the order of the tracker; empty: not asked
    std::vector<u32> nodes;              // NUMA nodes that are online; empty: not asked
    std::vector<u32> memory_nodes;       // of these, those with memory
    std::optional<bool> node_counts;     // every node counts as free and managed what its pages say
    std::vector<u32> scratch_nodes;      // nodes of the scratch areas from the third on
    std::optional<u64> kexec_count;      // kexecs before this kernel, as the handover tells (kho-v3)
    std::optional<u64> offline_blocks;   // memory blocks that are offline
    std::optional<u64> removed_blocks;
    std::optional<Generation> generation;
    std::optional<bool> captured;          // what the capture it was booted from expects of it holds
    std::optional<bool> initrd_intact;     // the initrd of this kernel lies where it was told, with its content
    std::optional<bool> swapped;           // the last relocation exchanged pages instead of copying them
    std::optional<bool> image_moved;       // KASLR: it does not lie where it was loaded
    std::optional<bool> image_in_scratch;  // it lies in a scratch area
    std::vector<std::string> log;          // each is part of a line this kernel logged
    std::vector<std::string> no_log;
};

using Action = std::variant<Boot, Alloc, Vmalloc, Free, Fill, Preserve, Unpreserve, Restore, Finalise, Abort,
                            KexecFileLoad, KexecUnload, Exec, SubtreeAdd, SubtreeGet, TestKhoSave, TestKhoRestore, Pin,
                            Unpin, MemoryBlock, VmallocRead, DmaStart, NicStart, DeviceStop, DeviceKeep, Assign,
                            Unassign, VmStart, VmStop, HostPoke, Save, Load, Continue, Expect>;

}  // namespace step

/// What a step must come to. Nothing set: it must succeed.
struct Outcome {
    std::optional<Errno> error;          // expect_error
    std::optional<Ending> ending;        // expect_verdict; expect_panic implies kPanic
    std::optional<Ending> guest_ending;  // on guests, if `by_target` (decisions D8, D11)
    bool by_target = false;
    std::optional<Ending> ending_on(Target t) const { return by_target && t == Target::kGuest ? guest_ending : ending; }
    std::string panic;             // part of the panic's text; empty = any
    std::vector<sim::Race> races;  // expect_race: each must happen, no other may
    std::string census;            // part of what the page census finds wrong; empty = nothing may be
    std::string claim;             // part of what a kernel says wrong of memory; empty = nothing may be
    Place place;                   // where it is written
};

struct Step {
    u32 index = 0;          // from 0; people see it from 1
    std::string_view name;  // of its kind, from kStepKinds
    Place place;
    step::Action action;
    Outcome outcome;
    std::optional<SitePoint> break_at;
    std::vector<ScheduledPoke> at;     // in file order
    std::vector<ScheduledTurn> turns;  // likewise
    std::optional<RefusedAlloc> fail_alloc;
};

/// `[replay]`: what a run of this file came to when it was written, to be compared with. Hashes are 32 hexadecimal
/// digits.
struct ReplayRecord {
    u32 from = 0;                    // from this step on, devices move in turns only, and no census is taken
    std::string finding;             // what it shows: FoundKind by its identity, as text
    std::string verdict;             // of the run
    std::vector<std::string> steps;  // of the sequence of schedule points, after each step: equal on all targets
    std::string writes;              // of all forbidden writes, likewise
    std::string state_native;        // of the machine at the end; empty: not known
    std::string state_guest;
    Place place;
};

struct Scenario {
    std::string file;  // as given on the command line
    std::string title;
    std::string description;
    MachineMatrix machine;
    sim::StepBudget budget;
    std::vector<KernelSpec> kernels;
    std::vector<sim::DeviceConfig> devices;  // in their slots' order
    std::vector<Step> steps;
    std::optional<ReplayRecord> replay;
};

/// "512M", or the name of the described machine.
std::string memory_name(const Cell& cell);
/// "aarch64, native, 512M, seed 7": the cell for people; the RAM fill is named when it is not 0.
std::string cell_name(const Cell& cell);

}  // namespace baton::scenarios
