// SPDX-License-Identifier: GPL-2.0-only
// A platform profile: what one unit of work costs on some machine. It turns the ledger's counts into time.
//
// Counts are facts of the algorithms; a profile is a model of one machine, a TOML file in which every figure names its
// source (sim/time/profiles/generic.toml, docs/blackout.md). Reports say which profile they used.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "model/geometry.hpp"
#include "model/phase.hpp"
#include "model/work.hpp"

namespace baton::sim {

struct WorkCost {
    Work work = Work::kCount;
    u64 ps = 0;             // picoseconds a unit
    bool per_page = false;  // a unit is a page: `ps` is for 4 KiB and grows with the kernel's page size
    std::string source;     // where the figure comes from; "model parameter" if nobody measured it
};

/// What a PhaseConstant is paid for.
enum class Per : u32 { kMachine, kCpu, kDevice };
struct PerInfo {
    Per per;
    std::string_view name;  // as written in profiles
};
inline constexpr PerInfo kPers[] = {{Per::kMachine, "machine"}, {Per::kCpu, "cpu"}, {Per::kDevice, "device"}};

/// Time of a phase that the model does not count as work yet. The machine's clock knows nothing of it: only the report
/// of a blackout adds it, and says so.
struct PhaseConstant {
    Phase phase = Phase::kDeviceShutdown;
    u32 isas = 0;  // bit Isa: on which it is paid
    Per per = Per::kMachine;
    u64 us = 0;  // microseconds each
    std::string source;
    bool paid_on(Isa isa) const { return (isas >> static_cast<u32>(isa) & 1) != 0; }
};

struct Profile {
    std::string name;
    std::string about;
    std::array<WorkCost, kWorkCount> costs;  // in the order of Work
    std::vector<PhaseConstant> constants;    // in the order of the file
};

/// A server of about 2020–2025, from published figures: the profile of the machine's clock.
const Profile& generic_profile();

/// A profile from the text of a TOML file; `name` stands for the file. Throws InputError with the place of the first
/// thing that is wrong.
Profile parse_profile(std::string_view text, const std::string& name);
/// The same from a file.
Profile read_profile(const std::string& path);

}  // namespace baton::sim
