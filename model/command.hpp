// SPDX-License-Identifier: GPL-2.0-only
// The command ABI: how a scenario drives a kernel, natively and as a guest (architecture §4).
//
// The mailbox lies in the Kernel object, in emulated RAM; the machine writes a Command as userspace of that kernel and
// reads the Reply. Fixed size, plain data, little-endian. A reply is a value or a Linux errno, or never comes because
// the kernel left (exec), panicked or hung: then the machine reports that instead (decision D23).
#pragma once

#include <string_view>

#include "model/types.hpp"

namespace baton {

enum class Op : u32 {
    kNop,
    kFileCreate,     // args: size in bytes               → value: phys of the first index page (see Files), slot
    kFileFree,       // args: slot
    kKexecFileLoad,  // args: kernel slot, initrd slot or ~0; text: command line
    kKexecUnload,
    kExec,             // reboot(KEXEC); replies only on failure
    kAlloc,            // args: kind (AllocKind), order or pages, node + 1 or 0, AllocWish bits → value: phys
    kFree,             // args: kind, phys, order or pages
    kPreserveFolio,    // args: phys
    kPreservePages,    // args: phys, pages
    kUnpreserveFolio,  // args: phys
    kUnpreservePages,  // args: phys, pages
    kRestoreFolio,     // args: phys                         → value: phys, order
    kRestorePages,     // args: phys, pages                  → value: phys
    kFinalise,
    kAbort,
    kAddSubtree,         // args: phys of the blob, bytes; text: name
    kRetrieveSubtree,    // text: name                         → value: phys, bytes (0 before kho-v3)
    kVmallocAlloc,       // args: pages, order                 → value: slot
    kVmallocFree,        // args: slot
    kVmallocPreserve,    // args: slot; text: name of the subtree
    kVmallocUnpreserve,  // text: name
    kVmallocRestore,     // text: name                         → value: slot
    kTestKhoSave,        // args: bytes at most                → value: folios, bytes, checksum
    kTestKhoRestore,     //                                    → value: folios, bytes, checksum, stated checksum
    kReserveMemFind,     // text: name                         → value: phys, size
    kFailAlloc,          // args: AllocFailure site, lasting, nth; what was armed before → values: seen, failed
    kPin,                // args: phys of a folio              → value: phys it has now
    kUnpin,              // args: phys of a folio
    kMemoryBlock,        // args: what (BlockChange), phys, 1 = driver-managed
    kVmallocSum,         // args: first page of the vmalloc range, pages → value: vm::sum of what is read there
    kDevice,             // args: DeviceVerb, slot, what the verb takes (model/drivers/drivers.hpp)
    kQuery,              // args: what (Query), index          → values
    kCount,
};

enum class AllocKind : u64 { kFolio, kPages };
enum AllocWish : u64 { kWishThisNode = 1, kWishMovable = 2 };  // no other node; may lie in CMA, and be moved
enum class BlockChange : u64 { kOffline, kOnline, kAdd, kRemove };

/// What a test can ask a kernel about itself.
enum class Query : u64 {
    kKho,             // → enabled, is_kho_boot, finalised, root FDT phys, scratch array phys, scratch count
    kIncoming,        // → FDT phys, FDT size, scratch phys, scratch size
    kScratch,         // index → phys, size
    kImage,           // → loaded, head, start, segments, source pages, control page phys
    kSegment,         // index → phys, memsz, bufsz
    kFreePages,       // → free, total managed, CMA free
    kPageState,       // phys → refcount, order, flags (PageStateFlag), memblock reserved, node
    kTracker,         // → blocks, pages preserved by this kernel so far
    kKernel,          // → image phys, image size, generation, where the image was loaded
    kKexecMetadata,   // → kexecs before this kernel (kho-v3), 0 if nothing tells
    kVmallocPages,    // slot << 32 | index → number of pages, then up to five of them from index on
    kNuma,            // → nodes online, nodes with memory (bit i = node i; 0 = no NUMA), the CPU's node
    kNode,            // node → pages present, managed, free; managed and free as its pages tell
    kPreservedBlock,  // index → phys, order: blocks of the incoming tracker, in walk order, ENOENT past the end
    kMemoryBlocks,    // → bytes of a block, blocks offline, blocks removed
    kVmallocArea,     // slot → first page of the vmalloc range, pages, virtual address
};

enum PageStateFlag : u64 {
    kPageFree = 1,
    kPageReserved = 2,
    kPageHead = 4,
    kPageTail = 8,
    kPageCma = 16,
    kPagePinned = 32,
};

inline constexpr u32 kCommandTextMax = 2048;  // a command line with its NUL (specs/boot.md §1: cmdline_size 2047)

struct Command {
    u64 sequence;  // counts up from 1; a kernel executes a sequence number once
    u32 op;
    u32 text_bytes;  // without NUL
    u64 args[6];
    char text[kCommandTextMax];
};

struct Reply {
    u64 sequence;
    i32 error;  // 0 or a positive errno
    u32 padding;
    u64 values[6];
};

struct Mailbox {
    Command command;
    Reply reply;
};
static_assert(sizeof(Command) == 2112 && sizeof(Reply) == 64);

struct OpInfo {
    Op op;
    std::string_view name;
};
inline constexpr OpInfo kOps[] = {
    {Op::kNop, "nop"},
    {Op::kFileCreate, "file_create"},
    {Op::kFileFree, "file_free"},
    {Op::kKexecFileLoad, "kexec_file_load"},
    {Op::kKexecUnload, "kexec_unload"},
    {Op::kExec, "exec"},
    {Op::kAlloc, "alloc"},
    {Op::kFree, "free"},
    {Op::kPreserveFolio, "preserve_folio"},
    {Op::kPreservePages, "preserve_pages"},
    {Op::kUnpreserveFolio, "unpreserve_folio"},
    {Op::kUnpreservePages, "unpreserve_pages"},
    {Op::kRestoreFolio, "restore_folio"},
    {Op::kRestorePages, "restore_pages"},
    {Op::kFinalise, "finalise"},
    {Op::kAbort, "abort"},
    {Op::kAddSubtree, "add_subtree"},
    {Op::kRetrieveSubtree, "retrieve_subtree"},
    {Op::kVmallocAlloc, "vmalloc_alloc"},
    {Op::kVmallocFree, "vmalloc_free"},
    {Op::kVmallocPreserve, "vmalloc_preserve"},
    {Op::kVmallocUnpreserve, "vmalloc_unpreserve"},
    {Op::kVmallocRestore, "vmalloc_restore"},
    {Op::kTestKhoSave, "test_kho_save"},
    {Op::kTestKhoRestore, "test_kho_restore"},
    {Op::kReserveMemFind, "reserve_mem_find"},
    {Op::kFailAlloc, "fail_alloc"},
    {Op::kPin, "pin"},
    {Op::kUnpin, "unpin"},
    {Op::kMemoryBlock, "memory_block"},
    {Op::kVmallocSum, "vmalloc_sum"},
    {Op::kDevice, "device"},
    {Op::kQuery, "query"},
};
static_assert(sizeof(kOps) / sizeof(kOps[0]) == static_cast<u32>(Op::kCount));

}  // namespace baton
