// SPDX-License-Identifier: GPL-2.0-only
// Steps that boot, hand over and go on: from the image file to the first line of the next kernel.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "model/kernel.hpp"
#include "scenarios/engine/kernel_files.hpp"
#include "scenarios/engine/play.hpp"
#include "sim/boot/loader.hpp"
#include "sim/guest/runner.hpp"
#include "sim/input_error.hpp"
#include "sim/timeline/recorder.hpp"

namespace baton::scenarios {
namespace {

bool loses(const Step& step) {
    const auto* exec = std::get_if<step::Exec>(&step.action);
    return exec != nullptr && exec->loses;
}

}  // namespace

std::filesystem::path Play::images_of_build() const {
    return std::filesystem::path(options_.image_folder) / geometry_of(cell_.arch).name;
}

const sim::ImageFile& Play::image(u32 kernel) {
    if (const auto found = images_.find(kernel); found != images_.end()) return found->second;
    const KernelSpec& spec = scenario_.kernels[kernel];
    const std::filesystem::path path = spec.image.empty()
                                           ? images_of_build() / fmt::format("{}.img", info(spec.layout).file)
                                           : std::filesystem::path(spec.image);
    try {
        sim::ImageFile file = sim::ImageFile::load(path);
        if (file.geometry() != cell_.arch)
            throw sim::ImageError(fmt::format("{}: an image for {}, not {}", path.string(),
                                              geometry_of(file.geometry()).name, geometry_of(cell_.arch).name));
        file.configure({.generation = spec.generation,
                        .kexec_base = spec.kexec_base,
                        .cma_align_bytes = spec.cma_align_bytes,
                        .options = spec.options,
                        .defects = {spec.defects[0], spec.defects[1]}});
        return images_.emplace(kernel, std::move(file)).first->second;
    } catch (const sim::ImageError& e) {
        throw Unusable{Verdict::kBadInput, e.what()};
    }
}

void Play::watch(sim::Machine& machine) {
    machine.set_migration_listener([this](PhysAddr from, PhysAddr to) { follow(from, to); });
    if (sim::GuestRunner* guest = machine.guest()) {
        sim::SymbolFiles names = sim::SymbolFiles::in(images_of_build());
        for (const KernelSpec& k : scenario_.kernels)
            if (!k.image.empty()) names.add(k.image);
        guest->set_symbols(std::move(names));
    }
    machine.set_monitor(options_.monitor);
    machine.set_observer(options_.timeline);
    if (options_.timeline != nullptr)
        options_.timeline->attach(machine.ownership(), machine.ledger(), machine.map().ram_bytes);
    if (options_.on_machine) options_.on_machine(machine);
}

std::unique_ptr<sim::Machine> Play::make_machine(const sim::MachineConfig& config) {
    try {
        auto machine = std::make_unique<sim::Machine>(config);
        watch(*machine);
        return machine;
    } catch (const sim::MachineError& e) {
        throw Unusable{Verdict::kBadInput, e.what()};
    } catch (const sim::EngineError& e) {
        throw Unusable{Verdict::kBadInput, e.what()};
    }
}

std::vector<u8> Play::initrd(u64 bytes) const { return initrd_bytes(cell_.seed, bytes); }

void Play::play(const step::Boot& a) {
    const sim::MachineConfig config{.geometry = cell_.arch,
                                    .target = cell_.target,
                                    .ram_bytes = cell_.ram_bytes,
                                    .map = cell_.map ? std::optional(*cell_.map) : std::nullopt,
                                    .seed = cell_.seed,
                                    .fill = cell_.fill,
                                    .budget = scenario_.budget.or_else({}),
                                    .devices = scenario_.devices};
    end_hop();
    machine_ = make_machine(config);
    if (options_.timeline != nullptr) options_.timeline->next_kernel(scenario_.kernels[a.kernel].name);
    machine_->begin_step();
    ahead_.clear();
    if (step_->break_at) machine_->set_break({step_->break_at->site, step_->break_at->nth});
    schedule_pokes(*step_);
    schedule_turns(*step_);
    races_seen_.clear();
    regions_.clear();
    running_ = a.kernel;
    running_initrd_bytes_ = a.initrd_bytes;
    capture_ = a.capture;
    log_seen_ = boot_log_start_ = 0;
    dead_ = false;
    const KernelSpec& spec = scenario_.kernels[a.kernel];
    // An image built without a cross compiler has filler where its code would be: it runs natively only (D24).
    if (cell_.target == Target::kGuest && image(a.kernel).header().labels[kLabelRelocateDone] == 0)
        throw Unusable{Verdict::kSkipped, fmt::format("the image for {} holds no machine code; install "
                                                      "g++-aarch64-linux-gnu and build again, or use --target native",
                                                      geometry_of(cell_.arch).name)};
    try {
        const std::vector<u8> ramdisk = initrd(a.initrd_bytes);
        const bool up = judge(
            *step_, through_breaks(a.capture ? boot_captured(a)
                                             : machine_->boot(image(a.kernel),
                                                              a.command_line.value_or(spec.command_line), ramdisk)));
        if (a.capture && up) entered_captured(*step_, a);
        powered_on_ = hop_from_ = machine_->ledger().snapshot();
    } catch (const sim::LoaderError& e) {
        throw Unusable{Verdict::kBadInput, e.what()};
    } catch (const sim::InputError& e) {
        throw Unusable{Verdict::kBadInput, fmt::format("{}: {}", e.file, e.what())};
    }
}

void Play::play(const step::Finalise&) { send(Op::kFinalise); }
void Play::play(const step::Abort&) { send(Op::kAbort); }

std::optional<u32> Play::put_file(std::span<const u8> bytes) {
    const auto reply = send(Op::kFileCreate, {bytes.size()});
    if (!reply) return std::nullopt;
    write_file(machine(), {reply->values[0]}, bytes);
    return static_cast<u32>(reply->values[1]);
}

void Play::play(const step::KexecFileLoad& a) {
    const KernelSpec& spec = scenario_.kernels[a.kernel];
    const auto kernel = put_file(image(a.kernel).bytes());
    if (!kernel) return;
    std::optional<u32> ramdisk;
    if (a.initrd_bytes != 0) {
        ramdisk = put_file(initrd(a.initrd_bytes));
        if (!ramdisk) {
            if (!dead_) machine().command(Op::kFileFree, {*kernel});
            return;
        }
    }
    const bool loaded = send(Op::kKexecFileLoad, {*kernel, ramdisk.value_or(kexec::kNoFile)},
                             a.command_line.value_or(spec.command_line))
                            .has_value();
    if (dead_) return;
    // The files are closed whatever came of the load.
    machine().command(Op::kFileFree, {*kernel});
    if (ramdisk) machine().command(Op::kFileFree, {*ramdisk});
    if (!loaded) return;
    loaded_ = a.kernel;
    if (options_.timeline != nullptr) options_.timeline->next_kernel(spec.name);
    loaded_initrd_bytes_ = a.initrd_bytes;
}

void Play::play(const step::KexecUnload&) {
    if (send(Op::kKexecUnload)) loaded_.reset();
}

PhysAddr Play::next_boot_data() {
    const Kimage& image = machine().kernel()->kexec.image;
    if (machine().geometry().isa == Isa::kAArch64) return {image.argument};
    // x86-64 order: [scratch array,] purgatory, boot params, kernel, initrd (specs/kexec.md §5.1).
    const u32 first = image.segment_count != 0 && image.kho_scratch == image.segments[0].mem ? 1 : 0;
    const u32 count = std::min(image.segment_count, kKexecSegmentsMax);
    return first + 1 < count ? image.segments[first + 1].mem : PhysAddr{};
}

void Play::arrived(const Step& step) {
    hop_.step = step.index;
    hop_.from = scenario_.kernels[running_].name;
    hop_.to = scenario_.kernels[*loaded_].name;
    hop_.arrived = machine().waiting();
    if (const Kernel* k = machine().kernel(); hop_.arrived && k != nullptr) hop_.kho_boot = k->kho.is_kho_boot != 0;
    hop_.after = owners_now();
    result_.hops.push_back(hop_);
    hop_reported_ = true;
    // A kernel that took the handover for nothing is free to use the memory.
    if ((hop_.kho_boot || loses(step)) && options_.hash_handed_over) check_handed_over(step);
    result_.hops.back().lost = lost_;
    if (!hop_.arrived) return;
    census_off_ = false;
    running_ = *loaded_;
    running_initrd_bytes_ = loaded_initrd_bytes_;
    loaded_.reset();
    // The new kernel knows its reserve_mem regions by name only; what it does not know stays where it was last seen.
    for (Region& r : regions_) {
        r.held = r.reserve_mem;
        if (!r.reserve_mem) continue;
        const sim::Outcome o = machine().observe(Op::kReserveMemFind, {}, r.name);
        r.known = o.kind == sim::Outcome::Kind::kReply && o.reply.error == 0;
        if (r.known) r.blocks = {{{o.reply.values[0]}, o.reply.values[1] / page_size()}};
    }
}

void Play::play(const step::Exec& a) {
    lost_ = false;
    if (options_.hash_handed_over || !light())
        machine().add_action({Site::kKexecJump, 1}, [this] {
            remember_handed_over();
            if (light()) return;
            collect_log();
            boot_log_start_ = result_.log.size();
        });
    const sim::Outcome outcome = through_breaks(machine().command(Op::kExec));
    const bool arrives = judge(expecting(*step_), outcome) && outcome.kind == sim::Outcome::Kind::kBooted;
    if (arrives || (dead_ && !hop_.segments.empty())) arrived(*step_);
    if (a.loses && !lost_ && !failed())
        finding(*step_, "nothing that was handed over was lost", "expected, because of loses = true");
}

// Of a machine that was loaded at its break: the step it stands in belongs to the scenario that saved it.
void Play::play(const step::Continue&) {
    if (!machine().at_break()) {
        finding(*step_, "nothing stands at a break",
                "continue follows a step with `break`, or `load` of such a machine");
        return;
    }
    machine().add_action({Site::kKexecJump, 1}, [this] { remember_handed_over(); });
    if (step_->break_at) machine().set_break({step_->break_at->site, step_->break_at->nth});
    schedule_pokes(*step_);
    schedule_turns(*step_);
    const sim::Outcome outcome = through_breaks(machine().proceed());
    const bool good = judge(*step_, outcome);
    if (outcome.kind == sim::Outcome::Kind::kBooted && good && loaded_) arrived(*step_);
}

void Play::play(const step::SubtreeAdd& a) {
    PhysAddr blob = a.range.at.value_or(PhysAddr{});
    if (!a.range.at) {
        const Region* r = region(a.range.region);
        if (r == nullptr) return;
        const std::vector<Block> blocks = cut(*r, a.range, page_size());
        if (!blocks.empty()) blob = blocks[0].phys;
    }
    for (u64 i = 0; i < a.count; ++i) {
        const std::string name = a.count > 1 ? fmt::format("{}-{}", a.name, i) : a.name;
        if (!send(Op::kAddSubtree, {blob.value, a.bytes.value_or(page_size())}, name)) return;
    }
}

void Play::play(const step::SubtreeGet& a) {
    const auto reply = send(Op::kRetrieveSubtree, {}, a.name);
    if (!reply) return;
    if (a.bytes && reply->values[1] != *a.bytes)
        finding(*step_, fmt::format("subtree {} has {} bytes", a.name, reply->values[1]),
                fmt::format("expected {}", *a.bytes));
    if (!a.range) return;
    PhysAddr wanted = a.range->at.value_or(PhysAddr{});
    if (!a.range->at) {
        const Region* r = region(a.range->region);
        if (r == nullptr) return;
        const std::vector<Block> blocks = cut(*r, *a.range, page_size());
        if (!blocks.empty()) wanted = blocks[0].phys;
    }
    if (reply->values[0] != wanted.value)
        finding(*step_, fmt::format("subtree {} is at {}", a.name, hex({reply->values[0]})),
                fmt::format("expected {}", hex(wanted)));
    else
        verified(fmt::format("subtree {} found at {}", a.name, hex(wanted)));
}

std::vector<u8> Play::run_state() const {
    const auto name_of = [&](u32 kernel) { return scenario_.kernels[kernel].name; };
    nlohmann::json ranges = nlohmann::json::array();
    for (const PhysRange& r : handed_ranges_) ranges.push_back({r.start.value, r.size});
    nlohmann::json hashes = nlohmann::json::array();
    for (const auto& [frame, hash] : handed_over_) hashes.push_back({frame, hash.high(), hash.low()});
    nlohmann::json not_held = nlohmann::json::array();
    for (const PhysAddr a : not_held_) not_held.push_back(a.value);
    return nlohmann::json::to_cbor({{"ranges", ranges},
                                    {"hashes", hashes},
                                    {"poked", poked_},
                                    {"not_held", not_held},
                                    {"census_off", census_off_},
                                    {"claims_seen", claims_seen_},
                                    {"pages", hop_.pages},
                                    {"blocks", hop_.blocks},
                                    {"fdt", hop_.fdt.value},
                                    {"running", name_of(running_)},
                                    {"loaded", loaded_ ? name_of(*loaded_) : ""},
                                    {"running_initrd_bytes", running_initrd_bytes_},
                                    {"loaded_initrd_bytes", loaded_initrd_bytes_}});
}

// The scenario that loads may name its kernels differently; a name it does not have stands for its first kernel.
void Play::set_run_state(std::span<const u8> bytes) {
    const nlohmann::json state = nlohmann::json::from_cbor(bytes.begin(), bytes.end());
    const auto index_of = [&](const std::string& name) {
        for (u32 i = 0; i < scenario_.kernels.size(); ++i)
            if (scenario_.kernels[i].name == name) return i;
        return 0u;
    };
    running_ = index_of(state.at("running"));
    loaded_.reset();
    if (const std::string name = state.at("loaded"); !name.empty()) loaded_ = index_of(name);
    handed_ranges_.clear();
    for (const auto& r : state.at("ranges")) handed_ranges_.push_back({{r.at(0).get<u64>()}, r.at(1).get<u64>()});
    handed_over_.clear();
    for (const auto& h : state.at("hashes"))
        handed_over_[h.at(0).get<u64>()] = {static_cast<sim::u128>(h.at(1).get<u64>()) << 64 | h.at(2).get<u64>()};
    poked_ = state.at("poked").get<std::set<u64>>();
    not_held_.clear();
    for (const auto& a : state.at("not_held")) not_held_.push_back({a.get<u64>()});
    census_off_ = state.at("census_off");
    claims_seen_ = state.at("claims_seen");
    hop_ = {};
    hop_.pages = state.at("pages");
    hop_.blocks = state.at("blocks");
    hop_.bytes = hop_.pages * page_size();
    hop_.fdt = {state.at("fdt").get<u64>()};
    running_initrd_bytes_ = state.at("running_initrd_bytes");
    loaded_initrd_bytes_ = state.at("loaded_initrd_bytes");
}

void Play::play(const step::Save& a) {
    try {
        machine().save(a.file, {{"regions", to_bytes(regions_)}, {"run", run_state()}});
        verified(fmt::format("machine saved to {}", a.file));
    } catch (const sim::SaveError& e) {
        throw Unusable{Verdict::kBadInput, e.what()};
    }
}

void Play::play(const step::Load& a) {
    try {
        sim::Machine::Loaded loaded = sim::Machine::load(a.file, scenario_.budget);
        end_hop();
        machine_ = std::move(loaded.machine);
        watch(*machine_);
        if (machine_->config().geometry != cell_.arch)
            throw Unusable{Verdict::kBadInput, fmt::format("{}: a saved {} machine, not {}", a.file,
                                                           machine_->geometry().name, geometry_of(cell_.arch).name)};
        regions_ = regions_from_bytes(loaded.file.component("regions").rest());
        set_run_state(loaded.file.component("run").rest());
        hop_from_ = jumped_ = machine_->ledger().snapshot();  // what was before is not told
        if (options_.timeline != nullptr) {
            options_.timeline->running_kernel(scenario_.kernels[running_].name);
            options_.timeline->next_kernel(scenario_.kernels[loaded_.value_or(running_)].name);
        }
        capture_.reset();
        log_seen_ = boot_log_start_ = 0;
        dead_ = false;
        if (loaded.outcome && loaded.outcome->kind == sim::Outcome::Kind::kFault) judge(*step_, *loaded.outcome);
    } catch (const sim::SaveError& e) {
        throw Unusable{Verdict::kBadInput, e.what()};
    } catch (const nlohmann::json::exception& e) {
        throw Unusable{Verdict::kBadInput, fmt::format("{}: not saved by a scenario: {}", a.file, e.what())};
    }
}

}  // namespace baton::scenarios
