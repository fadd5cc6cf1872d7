// SPDX-License-Identifier: GPL-2.0-only
#include "bench/blackout/handover.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "model/bits.hpp"
#include "model/defects.hpp"
#include "model/kernel.hpp"
#include "model/kexec/kexec.hpp"
#include "scenarios/engine/kernel_files.hpp"
#include "scenarios/engine/play.hpp"

namespace baton::blackout {
namespace {

inline constexpr u64 kSeed = 7;
inline constexpr u64 kBudgetCalls = 1'000'000'000'000;  // a block takes several, and there are many

sim::ImageFile image_of(const MachineSpec& spec, const std::filesystem::path& folder) {
    sim::ImageFile image = sim::ImageFile::load(folder / geometry_of(spec.arch).name / "baton.img");
    u64 defects = generation_defects(spec.generation);
    if (spec.without_b22) defects &= ~(u64{1} << static_cast<u32>(Defect::kB22));
    image.configure({.generation = spec.generation, .options = kOptionScratchFloor, .defects = {defects, 0}});
    return image;
}

std::string errno_text(i32 error) {
    for (const ErrnoName& row : kErrnoNames)
        if (static_cast<i32>(row.value) == error) return std::string(row.name);
    return fmt::format("errno {}", error);
}

std::string op_name(Op op) { return std::string(kOps[static_cast<u32>(op)].name); }

}  // namespace

HandoverMachine::HandoverMachine(const MachineSpec& spec, const std::filesystem::path& image_folder)
    : spec_(spec),
      image_(image_of(spec, image_folder)),
      initrd_(scenarios::initrd_bytes(kSeed, spec.initrd_bytes)),
      command_line_(fmt::format("kho=on kho_scratch={}%", spec.scratch_percent)),
      machine_({.geometry = spec.arch, .ram_bytes = spec.ram_bytes, .seed = kSeed, .budget = {kBudgetCalls, 0}}) {
    boot();
}

void HandoverMachine::boot() {
    machine_.begin_step();
    const sim::Outcome out = machine_.boot(image_, command_line_, initrd_);
    if (out.kind == sim::Outcome::Kind::kFault)
        throw HandoverFailed("the first kernel ends as " + scenarios::fault_text(out.fault));
    if (machine_.kernel()->kho.enabled == 0) throw NoRoom("the first kernel finds no room for its scratch");
    up_ = machine_.moment();
}

Reply HandoverMachine::send(Op op, std::initializer_list<u64> args, std::string_view text) {
    machine_.begin_step();
    const sim::Outcome out = machine_.command(op, args, text);
    if (out.kind == sim::Outcome::Kind::kFault)
        throw HandoverFailed(fmt::format("{} ends as {}", op_name(op), scenarios::fault_text(out.fault)));
    if (out.reply.error != 0)
        throw HandoverFailed(fmt::format("{} fails with {}", op_name(op), errno_text(out.reply.error)));
    return out.reply;
}

Reply HandoverMachine::observe(Op op, std::initializer_list<u64> args) {
    machine_.begin_step();
    const sim::Outcome out = machine_.observe(op, args);
    if (out.kind == sim::Outcome::Kind::kFault)
        throw HandoverFailed(fmt::format("{} ends as {}", op_name(op), scenarios::fault_text(out.fault)));
    return out.reply;
}

std::vector<PhysAddr> HandoverMachine::allocate(Order order, u64 blocks) {
    if (order.value > geometry().max_order) return allocate_runs(order, blocks);
    std::vector<PhysAddr> out;
    out.reserve(blocks);
    while (out.size() < blocks) {
        const Reply r = observe(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), order.value});
        if (r.error != 0) throw NoRoom(fmt::format("{} of {} blocks are free", out.size(), blocks));
        out.push_back({r.values[0]});
    }
    return out;
}

// The page allocator has no such block, but its largest come one beside the other as long as nothing was freed: take
// them until enough aligned runs are whole.
std::vector<PhysAddr> HandoverMachine::allocate_runs(Order order, u64 blocks) {
    const u64 piece = geometry().bytes_of({geometry().max_order});
    const u64 whole = geometry().bytes_of(order);
    const u64 pieces_max = (blocks + 3) * (whole / piece);
    std::map<u64, u64> pieces;  // address of a run → how many pieces of it there are
    std::vector<PhysAddr> out;
    for (u64 i = 0; i < pieces_max && out.size() < blocks; ++i) {
        const Reply r = observe(Op::kAlloc, {static_cast<u64>(AllocKind::kFolio), geometry().max_order});
        if (r.error != 0) break;
        const u64 run = align_down(r.values[0], whole);
        if (++pieces[run] == whole / piece) out.push_back({run});
    }
    if (out.size() < blocks) throw NoRoom(fmt::format("{} of {} blocks are free", out.size(), blocks));
    return out;
}

u32 HandoverMachine::put_file(std::span<const u8> bytes) {
    const Reply r = observe(Op::kFileCreate, {bytes.size()});
    if (r.error != 0) throw NoRoom("the next kernel's files do not fit into memory");
    scenarios::write_file(machine_, {r.values[0]}, bytes);
    return static_cast<u32>(r.values[1]);
}

void HandoverMachine::load() {
    const u32 kernel = put_file(image_.bytes());
    const u32 initrd = initrd_.empty() ? kexec::kNoFile : put_file(initrd_);
    send(Op::kKexecFileLoad, {kernel, initrd}, command_line_);
    observe(Op::kFileFree, {kernel});
    if (initrd != kexec::kNoFile) observe(Op::kFileFree, {initrd});
}

void HandoverMachine::exec() {
    machine_.begin_step();
    const sim::Outcome out = machine_.command(Op::kExec);
    if (out.kind == sim::Outcome::Kind::kFault)
        throw HandoverFailed("the next kernel ends as " + scenarios::fault_text(out.fault));
    if (out.kind != sim::Outcome::Kind::kBooted) throw HandoverFailed("exec fails with " + errno_text(out.reply.error));
    if (machine_.kernel()->kho.is_kho_boot == 0) throw HandoverFailed("the next kernel does not take the handover");
}

Counts HandoverMachine::hand_over(Order order, u64 blocks) {
    machine_.restore(*up_);
    const std::vector<PhysAddr> memory = allocate(order, blocks);
    const bool folios = order.value <= geometry().max_order;
    const auto each = [&](Op folio, Op pages) {
        for (const PhysAddr a : memory) {
            if (folios)
                send(folio, {a.value});
            else
                send(pages, {a.value, order.pages()});
        }
    };
    Counts counts;
    sim::Ledger::State last = machine_.ledger().snapshot();
    const auto now = [&] { return machine_.ledger().snapshot(); };
    // Up to the first site of a command the ledger is still in the phase of the command before.
    each(Op::kPreserveFolio, Op::kPreservePages);
    counts.add_to(Phase::kLoad, last, now());
    last = now();
    if (rules_for(spec_.generation).outgoing != OutgoingKind::kLive) send(Op::kFinalise, {});
    counts.add_to(Phase::kSerialise, last, now());
    last = now();
    load();
    counts.add_to(Phase::kLoad, last, now());
    last = now();
    exec();
    counts.add(last, now());
    last = now();
    each(Op::kRestoreFolio, Op::kRestorePages);
    counts.add_to(Phase::kRestore, last, now());
    return counts;
}

}  // namespace baton::blackout
