// SPDX-License-Identifier: GPL-2.0-only
// A machine in a file (decision D22): what a handover image is shipped, archived and replayed as.
//
//   magic "BATONSAV", u32 version, u32 0, u64 file size
//   geometry, generation, seed, step, profile, ledger, site counts, RAM ranges
//   u64 size, zstd frame of runs {u64 first frame, u64 frames, pages…}, ended by a run of 0 frames
//   u32 number of components, each {string name, u64 size, bytes}
//   u64 XXH3-64 of all before it
//
// Little-endian. Phases, units of work and sites go by name, so a build that added some reads the file. RAM is the
// frames that differ from power-on. Everything is checked before anything is used: a damaged, cut or foreign file is a
// SaveError that says so (exit code 3), never half a machine.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/geometry.hpp"
#include "model/rules.hpp"
#include "sim/bytes.hpp"
#include "sim/events/event_log.hpp"
#include "sim/memory/physical_memory.hpp"
#include "sim/time/ledger.hpp"

namespace baton::sim {

struct SavedHeader {
    GeometryId geometry = GeometryId::kX86_64;
    Generation generation = Generation::k6_18;  // of the kernel that runs, or last ran
    u64 seed = 0;
    u64 step = 0;         // commands the scenario has done
    std::string profile;  // by which the ledger's time was made
    Ledger::State ledger;
    SiteCounts sites{};
    bool operator==(const SavedHeader&) const = default;
};

/// Each component of the machine as the bytes it wrote, by its name.
using SavedComponents = std::map<std::string, std::vector<u8>, std::less<>>;

/// Writes the file whole or not at all: beside `path` first, then renamed over it. Throws SaveError; a file that was at
/// `path` is then still there.
void save_machine(const std::filesystem::path& path, const SavedHeader& header, const SavedComponents& components,
                  PhysicalMemory& memory);

class SavedMachine {
public:
    /// Reads and checks all of it. Throws SaveError.
    static SavedMachine read(const std::filesystem::path& path);
    /// The same from memory; `name` is for messages.
    SavedMachine(std::vector<u8> bytes, const std::string& name);

    const SavedHeader& header() const { return header_; }
    /// What to build the PhysicalMemory from.
    std::span<const PhysRange> ram() const { return ram_; }
    /// Makes RAM what it was, whatever it holds. Throws SaveError, and changes nothing, if the memory has other ranges.
    void load_ram(PhysicalMemory& memory) const;
    /// Throws SaveError if the machine had none of that name.
    ByteReader component(std::string_view name) const;
    bool has(std::string_view name) const { return components_.contains(name); }

private:
    std::string name_;
    SavedHeader header_;
    std::vector<PhysRange> ram_;
    u8 background_ = 0;
    std::vector<u8> compressed_ram_;
    SavedComponents components_;
};

}  // namespace baton::sim
