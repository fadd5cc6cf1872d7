// SPDX-License-Identifier: GPL-2.0-only
// The least that a kernel needs to run, natively or as a guest: RAM, a boot loader, and somebody who answers its calls
// and writes them all down.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/command.hpp"
#include "model/kernel.hpp"
#include "sim/guest/runner.hpp"
#include "sim/image/image_file.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/memory_map.hpp"
#include "sim/services.hpp"

namespace baton::test {

using sim::Target;

class TwinMachine final : public sim::Services {
public:
    TwinMachine(GeometryId geometry, Target target, const sim::GuestConfig& config = {}, u64 ram_bytes = 128 * kMiB);

    sim::Stop boot(const sim::ImageFile& image, std::string_view command_line = {});
    /// Enters what somebody placed in RAM.
    sim::Stop enter(PhysAddr image, u64 argument) { return through(runner_->start(image, argument, {})); }
    /// Ends when the kernel waits again or is gone; through a kexec, if it comes to that.
    sim::Stop command(Op op, std::initializer_list<u64> args = {}, std::string_view text = {});
    sim::Stop proceed() { return through(runner_->proceed()); }
    const Reply& reply() const { return kernel().mailbox.reply; }
    /// Its kernel is where the other machine's is: RAM was copied.
    void adopt(const TwinMachine& other) { kernel_at_ = other.kernel_at_; }
    /// A file of that kernel with these bytes; its slot.
    u64 put_file(std::span<const u8> bytes);
    const Kernel& kernel() const;
    bool guest_write(PhysAddr to, std::span<const u8> bytes);

    sim::GuestRunner& guest() { return dynamic_cast<sim::GuestRunner&>(*runner_); }

    /// A call as one line: "relocate.page 0x1000 0x2000", "pages_copied 1".
    std::vector<std::string> calls;
    /// Asked at every schedule point.
    std::function<sim::SiteAction(Site, u64 nth)> on_site;
    /// The devices: reg, is a write, value. False: no such register.
    std::function<bool(PhysAddr, bool, u64&)> on_register;
    sim::MachineMap map;
    sim::PhysicalMemory memory;

    sim::SiteAction at(Site site, u64 arg0, u64 arg1) override;
    sim::SiteAction charge(Work work, u64 amount) override;
    void own(PhysRange range, Owner from, Owner to) override;
    bool mmio_read(PhysAddr reg, u32, u64& value) override { return on_register && on_register(reg, false, value); }
    bool mmio_write(PhysAddr reg, u32, u64 value) override { return on_register && on_register(reg, true, value); }
    void log(LogLevel level, Log id, const u64 (&args)[4]) override;
    void warn(u32 file, u32 line) override;
    u64 now() override { return calls.size(); }
    u64 random(u32 stream) override { return random_ = random_ * 6364136223846793005 + stream; }
    void load_root(PhysAddr table) override { root = table; }
    void relax() override {}
    u64 budget() const override { return 1'000'000; }

    PhysAddr root;

private:
    sim::Stop through(sim::Stop stop);

    std::unique_ptr<sim::KernelRunner> runner_;
    PhysAddr kernel_at_;
    u64 seen_[kSiteCount] = {};
    u64 random_ = 1;
};

}  // namespace baton::test
