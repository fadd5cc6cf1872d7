// SPDX-License-Identifier: GPL-2.0-only
// Linux errno values that the model returns, with their names for scenarios and reports.
// One table; `expect_error = "EADDRNOTAVAIL"` in a scenario is looked up in it.
#pragma once

#include <string_view>

namespace baton {

enum class Errno : int {
    kOk = 0,
    kEPERM = 1,
    kENOENT = 2,
    kESRCH = 3,
    kEIO = 5,
    kE2BIG = 7,
    kENOEXEC = 8,
    kEAGAIN = 11,
    kENOMEM = 12,
    kEFAULT = 14,
    kEBUSY = 16,
    kEEXIST = 17,
    kENODEV = 19,
    kEINVAL = 22,
    kEFBIG = 27,
    kENOSPC = 28,
    kERANGE = 34,
    kENOSYS = 38,
    kEADDRNOTAVAIL = 99,
    kEOPNOTSUPP = 95,
};

struct ErrnoName {
    Errno value;
    std::string_view name;
};

inline constexpr ErrnoName kErrnoNames[] = {
    {Errno::kOk, "OK"},
    {Errno::kEPERM, "EPERM"},
    {Errno::kENOENT, "ENOENT"},
    {Errno::kESRCH, "ESRCH"},
    {Errno::kEIO, "EIO"},
    {Errno::kE2BIG, "E2BIG"},
    {Errno::kENOEXEC, "ENOEXEC"},
    {Errno::kEAGAIN, "EAGAIN"},
    {Errno::kENOMEM, "ENOMEM"},
    {Errno::kEFAULT, "EFAULT"},
    {Errno::kEBUSY, "EBUSY"},
    {Errno::kEEXIST, "EEXIST"},
    {Errno::kENODEV, "ENODEV"},
    {Errno::kEINVAL, "EINVAL"},
    {Errno::kEFBIG, "EFBIG"},
    {Errno::kENOSPC, "ENOSPC"},
    {Errno::kERANGE, "ERANGE"},
    {Errno::kENOSYS, "ENOSYS"},
    {Errno::kEADDRNOTAVAIL, "EADDRNOTAVAIL"},
    {Errno::kEOPNOTSUPP, "EOPNOTSUPP"},
};

}  // namespace baton
