// SPDX-License-Identifier: GPL-2.0-only
// Upstream's lib/test_kho, as a subsystem of ours (specs/kho.md §7): the same blob, so that each reads the other's.
//
// The outgoing kernel fills folios of random orders with random bytes, preserves each, and hands over their list
// (address | order, in a vmalloc area) and a checksum. The incoming one takes them back and compares.
//   FDT "kho_test": compatible "kho-test-v1", magic u32; node `data`: nr_folios u32, folios_info (16-byte vmalloc
//   descriptor), csum u32. All payloads native.
#pragma once

#include "model/kernel.hpp"

namespace baton::kho::test_kho {

struct Outcome {
    u64 folios;  // saved, or restored with the order the list says
    u64 bytes;   // in them
    u32 checksum;
    u32 stated;  // the checksum of the blob
};

/// Folios for up to `bytes_max` bytes. EINVAL for less than a page, ENOMEM, EOPNOTSUPP (KHO off, or no vmalloc), and
/// what preserving and add_subtree return. What was allocated stays with the test.
Status save(Kernel& k, u64 bytes_max, Outcome& outcome);
/// ENOENT, EINVAL: no blob, one that makes no sense, folios that do not come back, or other bytes in them (the outcome
/// then tells). Frees what it restored.
Status restore(Kernel& k, Outcome& outcome);

/// The blob's tree; its total size, ENOMEM when it does not fit `bytes`.
Result<u64> write_blob(PhysAddr at, u64 bytes, const Outcome& outcome, const VmallocDescriptor& list);

}  // namespace baton::kho::test_kho
