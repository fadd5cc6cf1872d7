// SPDX-License-Identifier: GPL-2.0-only
#include "sim/time/profile.hpp"

namespace baton::sim {
namespace {

// The file itself, so that the figures stand in one place and the binary needs no file beside it.
constexpr std::string_view kGeneric =
#include <generic_profile.inc>
    ;

}  // namespace

const Profile& generic_profile() {
    static const Profile kProfile = parse_profile(kGeneric, "sim/time/profiles/generic.toml");
    return kProfile;
}

}  // namespace baton::sim
