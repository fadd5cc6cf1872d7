// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/twin_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sim/boot/loader.hpp"
#include "sim/native/runner.hpp"

namespace baton::test {

TwinMachine::TwinMachine(GeometryId geometry, Target target, const sim::GuestConfig& config, u64 ram_bytes)
    : map(geometry_of(geometry).isa, ram_bytes), memory(map.ram) {
    const Isa isa = geometry_of(geometry).isa;
    if (target == Target::kNative)
        runner_ = std::make_unique<sim::NativeRunner>(isa, *this, memory.view());
    else
        runner_ = std::make_unique<sim::GuestRunner>(isa, *this, memory, config);
}

sim::Stop TwinMachine::boot(const sim::ImageFile& image, std::string_view command_line) {
    const sim::LoadedBoot loaded = sim::load_for_boot(map, memory, image, command_line, {});
    return through(runner_->start(loaded.image, loaded.argument, loaded.tables));
}

sim::Stop TwinMachine::through(sim::Stop stop) {
    while (stop.kind == sim::Stop::Kind::kLeft) stop = runner_->transfer(stop.jump);
    return stop;
}

const Kernel& TwinMachine::kernel() const {
    return *reinterpret_cast<const Kernel*>(memory.bytes({kernel_at_, sizeof(Kernel)}));
}

sim::Stop TwinMachine::command(Op op, std::initializer_list<u64> args, std::string_view text) {
    Kernel& k = *reinterpret_cast<Kernel*>(memory.claim({kernel_at_, sizeof(Kernel)}));
    Command& c = k.mailbox.command;
    c.sequence = k.executed + 1;
    c.op = static_cast<u32>(op);
    std::fill(std::begin(c.args), std::end(c.args), u64{0});
    std::copy(args.begin(), args.end(), c.args);
    c.text_bytes = static_cast<u32>(text.size());
    std::memset(c.text, 0, sizeof(c.text));
    std::ranges::copy(text, c.text);
    return proceed();
}

u64 TwinMachine::put_file(std::span<const u8> bytes) {
    command(Op::kFileCreate, {bytes.size()});
    const u64 slot = reply().values[1];
    const u64 page = geometry(kernel()).page_size();
    PhysAddr index{reply().values[0]};
    u64 entry = 0;
    for (u64 done = 0; done < bytes.size(); done += page, ++entry) {
        if (entry == page / sizeof(u64) - 1) {
            index = {memory.load<u64>(index + entry * sizeof(u64)).value()};
            entry = 0;
        }
        const PhysAddr to{memory.load<u64>(index + entry * sizeof(u64)).value()};
        guest_write(to, bytes.subspan(done, std::min<u64>(page, bytes.size() - done)));
    }
    return slot;
}

bool TwinMachine::guest_write(PhysAddr to, std::span<const u8> bytes) {
    if (!memory.write(to, bytes)) return false;
    if (auto* guest = dynamic_cast<sim::GuestRunner*>(runner_.get())) guest->notify_host_write({to, bytes.size()});
    return true;
}

sim::SiteAction TwinMachine::at(Site site, u64 arg0, u64 arg1) {
    calls.push_back(fmt::format("{} {:#x} {:#x}", info(site).name, arg0, arg1));
    if (site == Site::kKernelEntry) kernel_at_ = PhysAddr{arg0} + kKernelOffset;
    const u64 nth = ++seen_[static_cast<u32>(site)];
    return on_site ? on_site(site, nth) : sim::SiteAction::kGoOn;
}

sim::SiteAction TwinMachine::charge(Work work, u64 amount) {
    calls.push_back(fmt::format("{} {}", info(work).name, amount));
    return sim::SiteAction::kGoOn;
}

void TwinMachine::own(PhysRange range, Owner from, Owner to) {
    calls.push_back(fmt::format("own {:#x} {:#x} {} {}", range.start.value, range.size, name(from), name(to)));
}

void TwinMachine::log(LogLevel, Log id, const u64 (&args)[4]) {
    calls.push_back(
        fmt::format("log {} {:#x} {:#x} {:#x} {:#x}", static_cast<u32>(id), args[0], args[1], args[2], args[3]));
}

void TwinMachine::warn(u32 file, u32 line) { calls.push_back(fmt::format("warn {:#x} {}", file, line)); }

}  // namespace baton::test
