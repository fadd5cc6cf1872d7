// SPDX-License-Identifier: GPL-2.0-only
// A DMA engine: writes a counting pattern to [address, address + length), round and round, until it is stopped or has
// made its count of writes. The assigned device is the same silicon, programmed by somebody else.
#include <algorithm>
#include <array>

#include "sim/devices/devices.hpp"

namespace baton::sim {
namespace {

struct EngineState {
    u64 address;
    u64 length;
    u64 pattern;
    u64 count;
    u64 period_ns;
    u64 next_ns;
    u64 posted;
    u64 stride;
    u32 chunk;
    u32 running;
    u32 bad;
    u32 padding;
};

class DmaEngine final : public PlainDevice<EngineState> {
public:
    DmaEngine(device::Kind kind, const DeviceTraits& traits) : PlainDevice(traits), kind_(kind) {}
    device::Kind kind() const override { return kind_; }

    bool read(u64 reg, u32 width, u64& value, const DevicePort& port) const override {
        using namespace device;
        switch (reg) {
            case kDmaAddress: value = s_.address; return width == 8;
            case kDmaLength: value = s_.length; return width == 8;
            case kDmaPattern: value = s_.pattern; return width == 8;
            case kDmaCount: value = s_.count; return width == 8;
            case kDmaPeriod: value = s_.period_ns; return width == 8;
            case kDmaStride: value = s_.stride; return width == 8;
            case kDmaChunk: value = s_.chunk; return width == 4;
            case kDmaStatus:
                value = (s_.running != 0 ? u32{kEngineRunning} : 0) | (port.in_flight() ? u32{kEngineBusy} : 0) |
                        (s_.bad != 0 ? u32{kEngineBadProgram} : 0);
                return width == 4;
            case kDmaPosted: value = s_.posted; return width == 8;
            default: return false;
        }
    }

    bool write(u64 reg, u32 width, u64 value, DevicePort& port) override {
        using namespace device;
        switch (reg) {
            case kDmaAddress: s_.address = value; return width == 8;
            case kDmaLength: s_.length = value; return width == 8;
            case kDmaPattern: s_.pattern = value; return width == 8;
            case kDmaCount: s_.count = value; return width == 8;
            case kDmaPeriod: s_.period_ns = value; return width == 8;
            case kDmaStride: s_.stride = value; return width == 8;
            case kDmaChunk: s_.chunk = static_cast<u32>(value); return width == 4;
            case kDmaControl: control(static_cast<u32>(value), port); return width == 4;
            default: return false;
        }
    }

    u64 due_ns() const override { return s_.running != 0 ? s_.next_ns : kNever; }

    bool act(DevicePort& port) override { return s_.running != 0 && write_next(port); }
    bool busy() const override { return s_.running != 0; }

private:
    static bool is_program(const EngineState& s) {
        return s.chunk >= 8 && s.chunk <= device::kChunkMax && s.chunk % 8 == 0 && s.length >= 8 && s.length % 8 == 0 &&
               s.stride % 8 == 0 && s.address % 8 == 0 && s.address + s.length > s.address;
    }

    void control(u32 what, DevicePort& port) {
        if ((what & device::kEngineStop) != 0) s_.running = 0;
        if ((what & device::kEngineArm) != 0) {
            s_.bad = is_program(s_) ? 0 : 1;
            s_.running = 1 - s_.bad;
            s_.posted = 0;
            s_.next_ns = port.now_ns() + s_.period_ns;
        }
        if ((what & device::kEngineFire) != 0) write_next(port);
    }

    // A driver can write the registers of an engine that runs: then it stops, as it would on being armed so.
    bool write_next(DevicePort& port) {
        if (!is_program(s_)) {
            s_.bad = 1;
            s_.running = 0;
            return false;
        }
        std::array<u64, device::kChunkMax / 8> words;
        const u64 at = s_.posted * (s_.stride != 0 ? s_.stride : s_.chunk) % s_.length;
        const u64 bytes = std::min<u64>(s_.chunk, s_.length - at);
        const u64 first = s_.pattern + s_.posted * (s_.chunk / 8);
        for (u64 i = 0; i < bytes / 8; ++i) words[i] = first + i;
        s_.next_ns = port.now_ns() + s_.period_ns;
        if (!port.post(s_.address + at, {reinterpret_cast<const u8*>(words.data()), bytes}, DmaOrigin::kData))
            return false;
        ++s_.posted;
        if (s_.posted == s_.count) s_.running = 0;
        return true;
    }

    device::Kind kind_;
};

}  // namespace

std::unique_ptr<Device> make_dma_engine(const DeviceTraits& traits) {
    return std::make_unique<DmaEngine>(device::Kind::kDmaEngine, traits);
}
std::unique_ptr<Device> make_assigned(const DeviceTraits& traits) {
    return std::make_unique<DmaEngine>(device::Kind::kAssigned, traits);
}

}  // namespace baton::sim
