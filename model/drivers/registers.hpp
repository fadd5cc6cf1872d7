// SPDX-License-Identifier: GPL-2.0-only
// Registers of devices and of the IOMMU stage: what drivers and sim/devices agree on (specs/iommu.md §5; decision D21).
//
// One bus with 16 functions. Each has a configuration page of its own, laid out as PCI's (little-endian), and a page
// of registers where its BAR says. A function that is not there reads as all ones. The IOMMU stage is no function: its
// registers stand where VT-d's and SMMUv3's do.
#pragma once

#include <string_view>

#include "model/geometry.hpp"
#include "model/types.hpp"

namespace baton::device {

inline constexpr u32 kSlots = 16;
inline constexpr u64 kPageBytes = 0x1000;

struct BusMap {
    PhysAddr config;     // configuration page of slot 0; slot i is i pages further
    PhysAddr registers;  // register page of slot 0, likewise
    PhysAddr iommu;
};
inline constexpr BusMap kBusX86{{0xfe010000}, {0xfe020000}, {0xfed90000}};
inline constexpr BusMap kBusArm{{0x09010000}, {0x09020000}, {0x09050000}};
constexpr const BusMap& bus_map(Isa isa) { return isa == Isa::kX86_64 ? kBusX86 : kBusArm; }

// --- configuration (offset, bytes) ----------------------------------------------------------------------------------

enum Config : u64 {
    kConfigId = 0x00,             // 4: vendor, device << 16; ~0 = nobody there
    kConfigCommand = 0x04,        // 2
    kConfigBar0 = 0x10,           // 8: physical address of the register page
    kConfigDeviceControl = 0x48,  // 2: bit 15 starts a function-level reset
    kConfigDeviceStatus = 0x4a,   // 2: bit 5 = transactions pending
};
inline constexpr u32 kVendor = 0xba70;
inline constexpr u32 kAbsent = 0xffffffff;
inline constexpr u16 kCommandBusMaster = 4;
inline constexpr u16 kControlFlr = 0x8000;
inline constexpr u16 kStatusPending = 0x20;

/// Kind of device: the upper half of kConfigId.
enum class Kind : u32 { kNone, kDmaEngine, kNic, kAssigned, kCount };
struct KindInfo {
    Kind kind;
    std::string_view name;  // as written in scenarios
    std::string_view meaning;
};
inline constexpr KindInfo kKinds[] = {
    {Kind::kNone, "none", "an empty slot"},
    {Kind::kDmaEngine, "dma_engine", "writes a pattern to the memory that its driver programs"},
    {Kind::kNic, "nic", "receives packets into the buffers of a descriptor ring"},
    {Kind::kAssigned, "assigned", "a DMA engine that a virtual machine programs: its driver only maps memory for it"},
};
static_assert(sizeof(kKinds) / sizeof(kKinds[0]) == static_cast<u32>(Kind::kCount));
constexpr std::string_view name(Kind k) { return kKinds[static_cast<u32>(k)].name; }

// --- DMA engine, and the assigned device, which is one --------------------------------------------------------------

enum DmaEngineRegister : u64 {
    kDmaAddress = 0x00,  // 8: bus address of the target
    kDmaLength = 0x08,   // 8: bytes of the target; writes go round in it
    kDmaPattern = 0x10,  // 8: word i of all that is written is pattern + i
    kDmaCount = 0x18,    // 8: writes to make; 0 = until stopped
    kDmaPeriod = 0x20,   // 8: nanoseconds between two writes
    kDmaStride = 0x40,   // 8: bytes from one write to the next, a multiple of 8; 0 = the chunk
    kDmaChunk = 0x28,    // 4: bytes of a write, a multiple of 8, 8 … 4096
    kDmaControl = 0x2c,  // 4: EngineControl
    kDmaStatus = 0x30,   // 4: EngineStatus
    kDmaPosted = 0x38,   // 8: writes made since armed (the result register)
};
enum EngineControl : u32 { kEngineArm = 1, kEngineStop = 2, kEngineFire = 4 };           // fire: one write now
enum EngineStatus : u32 { kEngineRunning = 1, kEngineBusy = 2, kEngineBadProgram = 4 };  // busy: writes are on the way
inline constexpr u32 kChunkMax = 4096;

// --- NIC ------------------------------------------------------------------------------------------------------------

enum NicRegister : u64 {
    kNicRing = 0x00,     // 8: bus address of the ring
    kNicEntries = 0x08,  // 4: descriptors, at most kNicEntriesMax
    kNicTail = 0x0c,     // 4: first descriptor that the driver has not filled in
    kNicHead = 0x10,     // 4: next descriptor that the device fetches
    kNicControl = 0x14,  // 4: 1 = receive; clearing it asks the device to give up what it prefetched
    kNicStatus = 0x18,   // 4: NicStatus
    kNicPeriod = 0x20,   // 8: nanoseconds between two packets
    kNicPosted = 0x28,   // 8: packets received
};
enum NicControl : u32 { kNicReceive = 1 };
enum NicStatus : u32 { kNicRunning = 1, kNicBusy = 2 };  // busy: prefetched descriptors, packets or completions remain
inline constexpr u32 kNicEntriesMax = 64;

/// One descriptor of the ring, 16 bytes. The device writes `state` when the packet is in its buffer.
struct NicDescriptor {
    u64 address;
    u32 bytes;
    u32 state;  // kDescriptorFilled: the device's; kDescriptorDone | packet length << 8
};
static_assert(sizeof(NicDescriptor) == 16);
enum DescriptorState : u32 { kDescriptorEmpty = 0, kDescriptorFilled = 1, kDescriptorDone = 2 };

// --- IOMMU stage ----------------------------------------------------------------------------------------------------

/// Where every request of a device passes. Full VT-d and SMMUv3 will stand in its place.
enum IommuRegister : u64 {
    kIommuId = 0x00,       // 4: kIommuPresent
    kIommuMode = 0x04,     // 4: IommuMode
    kIommuFaults = 0x08,   // 8: requests refused
    kIommuDevice = 0x10,   // 4: slot of the entry to add or remove
    kIommuCommand = 0x14,  // 4: IommuCommand
    kIommuBus = 0x18,      // 8: bus address of the entry
    kIommuPhys = 0x20,     // 8: physical address
    kIommuBytes = 0x28,    // 8
    kIommuEntries = 0x30,  // 4: entries in use
};
inline constexpr u32 kIommuPresent = 0x55504d49;
enum class IommuMode : u32 { kOff, kPassThrough, kBlockAll, kAllowList, kCount };
struct IommuModeInfo {
    IommuMode mode;
    std::string_view name;
    std::string_view meaning;
};
inline constexpr IommuModeInfo kIommuModes[] = {
    {IommuMode::kOff, "off", "translation is off: a bus address is a physical one"},
    {IommuMode::kPassThrough, "pass-through", "on, and every device in the identity domain"},
    {IommuMode::kBlockAll, "block", "on, with empty tables: nothing passes"},
    {IommuMode::kAllowList, "list", "on: what a driver mapped passes, translated; the rest is refused"},
};
static_assert(sizeof(kIommuModes) / sizeof(kIommuModes[0]) == static_cast<u32>(IommuMode::kCount));
constexpr std::string_view name(IommuMode m) { return kIommuModes[static_cast<u32>(m)].name; }
enum class IommuCommand : u32 { kNone, kAdd, kRemove, kClear };
inline constexpr u32 kIommuEntriesMax = 128;

}  // namespace baton::device
