// SPDX-License-Identifier: GPL-2.0-only
// One native machine that is up with KHO on, and handovers from it: preserve, finalise, load, exec, restore.
//
// The machine boots once; every handover begins from the moment its first kernel was up, so handovers of one machine
// share nothing but that. Memory is allocated by the observer, whose work no ledger counts: guests had it long before.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/blackout/counts.hpp"
#include "model/rules.hpp"
#include "sim/image/image_file.hpp"
#include "sim/machine.hpp"

namespace baton::blackout {

struct MachineSpec {
    GeometryId arch = GeometryId::kX86_64;
    Generation generation = Generation::k6_18;
    u64 ram_bytes = kGiB;
    u64 initrd_bytes = 0;
    u64 scratch_percent = 200;  // kho_scratch=N%
    /// Blocks above the page allocator's largest cannot be restored where B22 is in (up to 7.0): a kernel without it.
    bool without_b22 = false;
    bool operator==(const MachineSpec&) const = default;
};

/// The machine, or a kernel on it, came to an end that a handover must not have; the message is a sentence.
class HandoverFailed : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};
/// The machine has not the memory for it.
class NoRoom : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class HandoverMachine {
public:
    /// Boots. Throws HandoverFailed, NoRoom, sim::ImageError, sim::LoaderError, sim::MachineError.
    HandoverMachine(const MachineSpec& spec, const std::filesystem::path& image_folder);

    /// Hands `blocks` blocks of 2^order pages over, and what that took in each phase: all that was preserved is
    /// restored in the end. Throws HandoverFailed, NoRoom.
    Counts hand_over(Order order, u64 blocks);

    const MachineSpec& spec() const { return spec_; }
    const Geometry& geometry() const { return machine_.geometry(); }

private:
    void boot();
    std::vector<PhysAddr> allocate(Order order, u64 blocks);
    std::vector<PhysAddr> allocate_runs(Order order, u64 blocks);
    /// As work that is counted, or not.
    Reply send(Op op, std::initializer_list<u64> args, std::string_view text = {});
    Reply observe(Op op, std::initializer_list<u64> args);
    u32 put_file(std::span<const u8> bytes);
    void load();
    void exec();

    MachineSpec spec_;
    sim::ImageFile image_;
    std::vector<u8> initrd_;
    std::string command_line_;
    sim::Machine machine_;
    std::optional<sim::Machine::Moment> up_;
};

}  // namespace baton::blackout
