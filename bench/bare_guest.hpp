// SPDX-License-Identifier: GPL-2.0-only
// A guest kernel on Unicorn alone: what running the same image to the same RAM costs at least.
//
// Nothing is watched: schedule points, charges and log lines fall on the floor, the kernel's few questions get the
// answers that a Machine of the same seed gives. There are no hooks, no watchdog, no verdicts and no page of host code
// between Unicorn's callback and the switch below.
#pragma once

#include <unicorn/unicorn.h>

#include <map>
#include <string_view>

#include "model/command.hpp"
#include "model/port.hpp"
#include "sim/image/image_file.hpp"
#include "sim/memory/host_mapping.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/memory_map.hpp"
#include "sim/random.hpp"

namespace baton::bench {

class BareGuest {
public:
    /// How much is looked at while it runs.
    enum class Hook {
        kNone,
        kBlocks,        // an empty callback for each translated block
        kInstructions,  // one for each instruction: counts them
    };
    BareGuest(GeometryId geometry, u64 ram_bytes, u64 seed, Hook hook = Hook::kNone);
    BareGuest(const BareGuest&) = delete;
    BareGuest& operator=(const BareGuest&) = delete;
    ~BareGuest();

    /// Until the kernel waits for a command. Throws std::runtime_error for any other end.
    void boot(const sim::ImageFile& image, std::string_view command_line);
    Reply command(Op op, std::initializer_list<u64> args = {}, std::string_view text = {});
    bool read(PhysAddr a, std::span<u8> bytes) const { return memory_.read(a, bytes); }
    bool host_write(PhysAddr a, std::span<const u8> bytes) { return memory_.write(a, bytes); }
    /// As text: of every frame that is not zero.
    std::string ram_hash();
    u64 instructions() const { return instructions_; }

private:
    static u64 mmio_read(uc_engine*, u64, unsigned, void*) { return 0; }
    static void mmio_write(uc_engine*, u64 offset, unsigned, u64 value, void* self);
    static void on_block(uc_engine*, u64, u32, void*) {}
    static void on_instruction(uc_engine*, u64, u32, void* self) { ++static_cast<BareGuest*>(self)->instructions_; }
    void serve();
    void power_on(PhysAddr image, u64 argument);
    void run();
    void set(int reg, u64 value);

    const Isa isa_;
    const PortMap& port_;
    const u64 seed_;
    sim::MachineMap map_;
    sim::PhysicalMemory memory_;
    sim::HostMapping window_;
    PortRecord& record_;
    uc_engine* engine_ = nullptr;
    std::map<u32, sim::Random> randoms_;
    u32 served_ = 0;
    bool waits_ = false;
    PhysAddr kernel_;
    u64 instructions_ = 0;
};

}  // namespace baton::bench
