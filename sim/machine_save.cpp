// SPDX-License-Identifier: GPL-2.0-only
// A machine in a file, and back (decisions D17, D22).
//
// A machine whose kernel waits is saved as it is. At a break a kernel is in the middle of something, on a stack that
// cannot be saved: then the file holds the last instant without a stack, the host's writes since, and the break to run
// to. Loading does that again, so both kinds go on to the same hash as if nothing had happened.
#include <stdexcept>

#include "model/kernel.hpp"
#include "sim/cpu/engine.hpp"
#include "sim/machine.hpp"
#include "sim/map_file/map_file.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kRecordBytesMin = 8;

void put_range(ByteWriter& to, PhysRange r) {
    to.put(r.start.value);
    to.put(r.size);
}

PhysRange get_range(ByteReader& from) {
    const PhysAddr start{from.get<u64>()};
    return {start, from.get<u64>()};
}

void put_map(ByteWriter& to, const MachineMap& map) {
    to.put(map.ram_bytes);
    to.put_string(map.name);
    to.put(u64{map.entries.size()});
    for (const MemoryMapEntry& e : map.entries) {
        put_range(to, {e.start, e.size});
        to.put(e.type);
        to.put(e.nid);
    }
    to.put(u64{map.reserved.size()});
    for (const PhysRange& r : map.reserved) put_range(to, r);
    to.put(u64{map.device_tree.size()});
    to.put_bytes(map.device_tree);
    to.put(map.nodes);
}

// A built-in machine is made from its size, so that its map is this build's.
MachineMap get_map(ByteReader& from, Isa isa) {
    const u64 ram_bytes = from.get<u64>();
    FirmwareMap firmware{.name = from.get_string(), .isa = isa, .entries = {}, .reserved = {}, .device_tree = {}};
    std::vector<MapLine> lines;
    for (u64 n = from.get_count(2 * sizeof(u64)); n != 0; --n) {
        const PhysRange r = get_range(from);
        const u32 type = from.get<u32>();
        lines.push_back({0, 0, {r.start, r.size, type, from.get<u32>()}});
    }
    firmware.entries = checked_entries(firmware.name, std::move(lines));
    for (u64 n = from.get_count(2 * sizeof(u64)); n != 0; --n) firmware.reserved.push_back(get_range(from));
    const auto tree = from.get_bytes(from.get<u64>());
    firmware.device_tree.assign(tree.begin(), tree.end());
    firmware.nodes = from.get<u32>();
    if (firmware.nodes > kNodesMax) from.fail("has more nodes than a machine can have");
    if (firmware.name.empty()) return {isa, ram_bytes};
    return {isa, std::move(firmware)};
}

void put_jump(ByteWriter& to, const platform::Jump& j) {
    for (u64 v : {j.head, j.start.value, j.control_page.value, j.root.value, j.idmap_root.value, j.swap_page.value,
                  j.argument, j.page_size, u64{j.three_way_swap}})
        to.put(v);
}

platform::Jump get_jump(ByteReader& from) {
    u64 v[9];
    for (u64& word : v) word = from.get<u64>();
    return {v[0], {v[1]}, {v[2]}, {v[3]}, {v[4]}, {v[5]}, v[6], v[7], v[8] != 0};
}

void put_hit(ByteWriter& to, SiteHit h) {
    to.put_string(h.site == Site::kCount ? "" : info(h.site).name);
    to.put(h.nth);
}

SiteHit get_hit(ByteReader& from) {
    const std::string name = from.get_string();
    const u64 nth = from.get<u64>();
    if (name.empty()) return {Site::kCount, nth};
    for (const SiteInfo& row : kSites)
        if (row.name == name) return {row.site, nth};
    from.fail("names the unknown schedule point " + name);
}

}  // namespace

void Machine::put_state(ByteWriter& to) const {
    to.put(static_cast<u32>(config_.target));
    put_map(to, map_);
    to.put(config_.fill);
    to.put(config_.budget.calls);
    to.put(static_cast<u32>(state_));
    to.put(static_cast<u32>(pending_));
    to.put(start_image_.value);
    to.put(start_argument_);
    to.put(start_tables_.root.value);
    to.put(start_tables_.gdt.value);
    put_jump(to, jump_);
    to.put(kernel_.value);
    to.put(root_.value);
    put_range(to, initrd_);
    to.put(sender_generation_);
    to.put(calls_left_);
    for (u64 n : seen_) to.put(n);
    to.put(u64{randoms_.size()});
    for (const auto& [stream, random] : randoms_) {
        to.put(stream);
        for (u64 word : random.state()) to.put(word);
    }
}

// The constructor has read config_ already: those four fields come first and are skipped here.
void Machine::get_state(ByteReader& from) {
    const u32 state = from.get<u32>();
    const u32 pending = from.get<u32>();
    if (state > static_cast<u32>(State::kDead) || pending > static_cast<u32>(Pending::kTransfer))
        from.fail("is in a state that does not exist");
    state_ = static_cast<State>(state);
    pending_ = static_cast<Pending>(pending);
    start_image_ = {from.get<u64>()};
    start_argument_ = from.get<u64>();
    start_tables_.root = {from.get<u64>()};
    start_tables_.gdt = {from.get<u64>()};
    jump_ = get_jump(from);
    kernel_ = {from.get<u64>()};
    root_ = {from.get<u64>()};
    initrd_ = get_range(from);
    sender_generation_ = from.get<u32>();
    calls_left_ = from.get<u64>();
    for (u64& n : seen_) n = from.get<u64>();
    for (u64 n = from.get_count(kRecordBytesMin); n != 0; --n) {
        const u32 stream = from.get<u32>();
        std::array<u64, 4> words;
        for (u64& word : words) word = from.get<u64>();
        randoms_.insert_or_assign(stream, Random(words));
    }
    from.expect_end();
    if (kernel_.value != 0 && kernel() == nullptr) from.fail("has its kernel outside RAM");
    if (state_ == State::kWaiting && kernel_.value == 0) from.fail("has no kernel to wait for");
    if (sender_generation_ != 0 && !known_generation(sender_generation_)) from.fail("names an unknown generation");
}

void Machine::put_replay(ByteWriter& to) const {
    put_hit(to, position_);
    to.put(u64{writes_.size()});
    for (const RecordedWrite& w : writes_) {
        put_hit(to, w.at);
        to.put(w.to.value);
        to.put(u64{w.bytes.size()});
        to.put_bytes(w.bytes);
    }
    to.put(u64{turns_.size()});
    for (const DeviceTurn& t : turns_) {
        put_hit(to, t.at);
        to.put(t.slot);
        to.put(static_cast<u32>(t.kind));
        to.put(t.times);
        to.put(t.after);
    }
}

void Machine::get_replay(ByteReader& from) {
    break_ = get_hit(from);
    for (u64 n = from.get_count(kRecordBytesMin); n != 0; --n) {
        RecordedWrite w;
        w.at = get_hit(from);
        w.to = {from.get<u64>()};
        const auto bytes = from.get_bytes(from.get<u64>());
        w.bytes.assign(bytes.begin(), bytes.end());
        replayed_writes_.push_back(std::move(w));
    }
    for (u64 n = from.get_count(kRecordBytesMin); n != 0; --n) {
        DeviceTurn t;
        t.at = get_hit(from);
        t.slot = from.get<u32>();
        const u32 kind = from.get<u32>();
        t.times = from.get<u32>();
        t.after = from.get<u64>();
        if (t.slot >= bus_.size() || kind >= static_cast<u32>(TurnKind::kCount)) from.fail("gives a turn to no device");
        t.kind = static_cast<TurnKind>(kind);
        turns_.push_back(t);
    }
    from.expect_end();
}

void Machine::restore_cpu(ByteReader& from) {
    CpuFields fields;
    for (u64 n = from.get_count(kRecordBytesMin); n != 0; --n) {
        std::string name = from.get_string();
        const auto bytes = from.get_bytes(from.get<u64>());
        fields.emplace_back(std::move(name), std::vector<u8>(bytes.begin(), bytes.end()));
    }
    from.expect_end();
    try {
        runner_->restore_cpu(fields);
    } catch (const EngineError& e) {
        from.fail(e.what());
    }
}

SavedHeader Machine::header() const {
    const Kernel* k = kernel();
    const u32 generation = k != nullptr && known_generation(k->config.generation) ? k->config.generation
                                                                                  : static_cast<u32>(Generation::k6_18);
    return {.geometry = config_.geometry,
            .generation = static_cast<Generation>(generation),
            .seed = config_.seed,
            .step = 0,
            .profile = generic_profile().name,
            .ledger = ledger_.snapshot(),
            .sites = events_.counts()};
}

SavedComponents Machine::components() const {
    SavedComponents out;
    ByteWriter state;
    put_state(state);
    out["machine"] = state.bytes();
    ByteWriter owners;
    ownership_.save(owners);
    out["ownership"] = owners.bytes();
    if (!bus_.empty()) {
        ByteWriter devices;
        save_devices(devices);
        out["devices"] = devices.bytes();
    }
    ByteWriter claims;
    claims_.save(claims);
    out["claims"] = claims.bytes();
    ByteWriter events;
    events_.save(events);
    out["events"] = events.bytes();
    ByteWriter cpu;
    const bool alive = state_ == State::kWaiting || state_ == State::kJumped;
    const CpuFields fields = alive ? runner_->save_cpu() : CpuFields{};
    cpu.put(u64{fields.size()});
    for (const auto& [name, bytes] : fields) {
        cpu.put_string(name);
        cpu.put(u64{bytes.size()});
        cpu.put_bytes(bytes);
    }
    out["cpu"] = cpu.bytes();
    return out;
}

void Machine::remember_instant() {
    writes_.clear();
    if (!break_) return;
    instant_ = Instant{snapshots_.take(), header(), components()};
}

void Machine::save(const std::filesystem::path& file, const SavedComponents& extra) {
    if (state_ != State::kBreak) {
        SavedComponents all = components();
        all.insert(extra.begin(), extra.end());
        save_machine(file, header(), all, memory_);
        return;
    }
    if (!instant_) throw std::logic_error("a break without an instant before it");
    SavedComponents all = instant_->components;
    all.insert(extra.begin(), extra.end());
    ByteWriter replay;
    put_replay(replay);
    all["replay"] = replay.bytes();
    const Snapshot now = snapshots_.take();
    snapshots_.restore(instant_->ram);
    try {
        save_machine(file, instant_->header, all, memory_);
    } catch (...) {
        snapshots_.restore(now);
        throw;
    }
    snapshots_.restore(now);
}

Machine::Loaded Machine::load(const std::filesystem::path& path, const StepBudget& budget) {
    SavedMachine file = SavedMachine::read(path);
    const SavedHeader& header = file.header();
    ByteReader state = file.component("machine");
    MachineConfig config{.geometry = header.geometry, .seed = header.seed};
    const u32 target = state.get<u32>();
    if (target > static_cast<u32>(Target::kGuest)) state.fail("is of a target that does not exist");
    config.target = static_cast<Target>(target);
    std::unique_ptr<Machine> machine;
    try {
        config.map = get_map(state, geometry_of(header.geometry).isa);
        config.fill = state.get<u8>();
        config.budget = budget.or_else({state.get<u64>(), 0});
        machine = std::make_unique<Machine>(config);
    } catch (const MachineError& e) {
        throw SaveError(path.string() + ": " + e.what());
    } catch (const InputError& e) {
        throw SaveError(path.string() + ": " + e.what());
    }
    file.load_ram(machine->memory_);
    machine->ledger_.restore(header.ledger);
    ByteReader events = file.component("events");
    machine->events_.load(events, header.sites);
    ByteReader owners = file.component("ownership");
    machine->ownership_.load(owners);
    ByteReader claims = file.component("claims");
    machine->claims_.load(claims);
    machine->get_state(state);
    if (file.has("devices")) {
        ByteReader devices = file.component("devices");
        machine->load_devices(devices);
    }
    if (ByteReader cpu = file.component("cpu"); machine->state_ == State::kWaiting || machine->state_ == State::kJumped)
        machine->restore_cpu(cpu);
    machine->parked_ = machine->state_ == State::kWaiting && machine->guest_ != nullptr;
    std::optional<Outcome> outcome;
    if (machine->pending_ != Pending::kNone) {
        const auto seen = machine->seen_;
        ByteReader replay = file.component("replay");
        machine->get_replay(replay);
        machine->seen_ = seen;
        outcome = machine->go(machine->pending_);
    }
    return {std::move(machine), std::move(file), outcome};
}

}  // namespace baton::sim
