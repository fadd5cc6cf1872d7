// SPDX-License-Identifier: GPL-2.0-only
// What every device is: registers, something to do next, and a port to the fabric (specs/iommu.md §10).
//
// A device is a state machine that is called and returns; it never blocks and has no clock but the port's. Its state is
// plain data, so a machine with devices is snapshot, saved and compared like any other. To add one: a file with a class
// over PlainDevice and a row in devices.cpp.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "model/drivers/registers.hpp"
#include "sim/bytes.hpp"

namespace baton::sim {

/// What a write of a device is about: races are told apart by it.
enum class DmaOrigin : u32 {
    kData,
    kCompletion,  // the record that says a packet is there
    kWithdrawn,   // data by a descriptor that the driver had taken back
};

/// The device's side of the fabric.
class DevicePort {
public:
    virtual ~DevicePort() = default;
    virtual u64 now_ns() const = 0;
    /// Sends a posted write. False: bus mastering is off, and the device minds.
    virtual bool post(u64 bus, std::span<const u8> bytes, DmaOrigin origin) = 0;
    /// Reads memory at once. False: bus mastering is off, or the request was refused.
    virtual bool fetch(u64 bus, std::span<u8> bytes) = 0;
    /// Something this device sent has not arrived.
    virtual bool in_flight() const = 0;
};

/// How a particular device was built.
struct DeviceTraits {
    u64 latency_ns = 500;        // of a posted write
    u64 write_back_ns = 10'000;  // of a NIC: how long a completion may wait
    u32 prefetch = 4;            // of a NIC: descriptors
    bool honours_bus_master = true;
    bool operator==(const DeviceTraits&) const = default;
};
inline constexpr u32 kPrefetchMax = 16;

class Device {
public:
    static constexpr u64 kNever = ~u64{0};

    virtual ~Device() = default;
    virtual device::Kind kind() const = 0;
    /// Registers; false: there is none of this width here.
    virtual bool read(u64 reg, u32 width, u64& value, const DevicePort& port) const = 0;
    virtual bool write(u64 reg, u32 width, u64 value, DevicePort& port) = 0;
    /// When it acts by itself next; kNever: it has nothing to do.
    virtual u64 due_ns() const = 0;
    /// Does the next thing it has to do, whether that is due or not. False: there was nothing it could do.
    virtual bool act(DevicePort& port) = 0;
    /// Work is left that a driver that stops the device has to wait for.
    virtual bool busy() const = 0;
    virtual void reset() = 0;
    /// All of its state, and back; the bytes come from a file too, so load() checks them.
    virtual std::vector<u8> bytes() const = 0;
    virtual bool load(std::span<const u8> bytes) = 0;
};

/// A device whose state is one struct without padding or pointers.
template <class State>
class PlainDevice : public Device {
public:
    static_assert(std::is_trivially_copyable_v<State> && std::has_unique_object_representations_v<State>);
    explicit PlainDevice(const DeviceTraits& traits) : traits_(traits) {}
    void reset() override { s_ = {}; }
    std::vector<u8> bytes() const override {
        std::vector<u8> out(sizeof(State));
        std::memcpy(out.data(), &s_, sizeof(State));
        return out;
    }
    bool load(std::span<const u8> bytes) override {
        if (bytes.size() != sizeof(State)) return false;
        State loaded;
        std::memcpy(&loaded, bytes.data(), sizeof(State));
        if (!is_sound(loaded)) return false;
        s_ = loaded;
        return true;
    }

protected:
    /// Whether bytes that came from outside are a state: indices in their arrays.
    virtual bool is_sound(const State&) const { return true; }

    DeviceTraits traits_;
    State s_{};
};

/// A new device in power-on state; the kind must be one that exists.
std::unique_ptr<Device> make_device(device::Kind kind, const DeviceTraits& traits);

}  // namespace baton::sim
