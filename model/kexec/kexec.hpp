// SPDX-License-Identifier: GPL-2.0-only
// kexec: a loaded image as a list of page copies, and leaving through it (specs/kexec.md §1–§7, §11).
//
// `kexec_file_load` places every segment, allocates control pages, digests the segments (x86-64) and copies them to
// source pages, described by a list of 64-bit entries. Exec hands the list's first word to the relocation code.
#pragma once

#include <span>
#include <string_view>

#include "model/ram.hpp"
#include "model/types.hpp"

namespace baton {
struct Kernel;

inline constexpr u32 kKexecSegmentsMax = 16;

enum KexecEntryFlag : u64 {
    kEntryDestination = 1,
    kEntryIndirection = 2,
    kEntryDone = 4,
    kEntrySource = 8,
    kEntryFlags = 0xf,
};

/// A segment's bytes before they are copied: a file range, or kernel memory (page aligned, contiguous).
enum class SegmentSource : u32 { kMemory, kFile };

struct KexecSegment {
    PhysAddr mem;  // destination, page aligned
    u64 memsz;     // bytes at the destination, page multiple; beyond bufsz they are zero
    u64 bufsz;     // bytes of content
    u32 source;    // SegmentSource
    u32 file_slot;
    u64 source_offset;  // offset in the file
    PhysAddr buffer;    // kernel memory that holds the content
    u64 buffer_pages;   // pages to free once the content is in source pages; 0 = not ours
    u32 hashed;         // covered by the digest
    u32 padding;
};

/// Free pages that were met too early: each is the destination of a page that is yet to be loaded (kimage's
/// dest_pages).
struct WaitingPages {
    u64 first;         // chain through Page::next; the newest page
    u64 count;         // pages
    u64 finger;        // a page whose place is known, as a link; 0 = none
    u64 finger_place;  // its place in the chain, the first page's is 1
};

/// One image (struct kimage). Lives in the Kernel object; page lists are chained through Page::next.
struct Kimage {
    u32 loaded;
    u32 segment_count;
    u64 head;             // first word of the list, with flags
    PhysAddr entry;       // cursor: address of the slot to fill; ~0: `head` itself
    PhysAddr last_entry;  // last slot of the current indirection page; ~0: `head` itself
    PhysAddr start;
    PhysAddr control_code_page;
    PhysAddr swap_page;
    PhysAddr root;        // x86-64 identity map root; AArch64 TTBR1 copy
    PhysAddr idmap_root;  // AArch64
    u64 argument;         // AArch64: DTB
    u64 control_pages;    // chains through Page::next: (pfn + 1) << 1, 0 = end
    u64 unusable_pages;
    WaitingPages dest_pages;
    u64 table_pages;       // page tables of the transition, freed with the image
    u64 source_pages;      // how many pages the list owns
    u64 address_limit;     // last byte a source, destination or control page may lie at (kexec.md §3.3)
    PhysAddr kho_fdt;      // 0 = none is passed (kho.md §3.5)
    PhysAddr kho_scratch;  // destination of the scratch array segment
    u64 kho_scratch_bytes;
    KexecSegment segments[kKexecSegmentsMax];
};

struct KexecState {
    Kimage image;    // the normal slot
    Kimage loading;  // what kexec_file_load builds; all zero outside of it
    u32 in_progress;
    u32 padding;
};

namespace kexec {

struct LoadRequest {
    u32 kernel_slot;
    u32 initrd_slot;  // kNoFile = none
    std::string_view command_line;
};
inline constexpr u32 kNoFile = ~0u;

/// kexec_file_load. On success the previous image is freed; on failure it stays. Errors: ENOEXEC (not an image of this
/// ISA), EADDRNOTAVAIL (no hole: with KHO, no room in scratch), ENOMEM, EINVAL (sanity checks of kexec.md §4, command
/// line too long), ENOENT (no such file), EBUSY (leaving).
Status file_load(Kernel& k, const LoadRequest& request);
void unload(Kernel& k);
/// reboot(KEXEC): EINVAL without an image; otherwise never returns (kexec.md §10: P1 … P6).
Status reboot(Kernel& k);

// --- placement (kexec.md §5, kho.md §3.5), pure: no allocation, no kernel -----------------------------------------

struct HoleRequest {
    u64 memsz;    // rounded up to a page by the caller
    u64 align;    // at least a page
    u64 buf_min;  // inclusive
    u64 buf_max;  // inclusive
    bool top_down;
    u64 page_size;
};
/// The hole inside one window, or EADDRNOTAVAIL.
Result<PhysAddr> hole_in_window(const HoleRequest& request, PhysRange window, std::span<const KexecSegment> placed);
/// First window in array order that has a hole (the KHO scratch areas), or EADDRNOTAVAIL.
Result<PhysAddr> hole_in_windows(const HoleRequest& request, std::span<const PhysRange> windows,
                                 std::span<const KexecSegment> placed);

// --- digest -----------------------------------------------------------------------------------------------------

/// SHA-256, freestanding (FIPS 180-4): the purgatory of a guest runs the same source.
struct Sha256 {
    u32 state[8];
    u64 bytes;
    u8 block[64];
};
void sha256_init(Sha256& s);
void sha256_update(Sha256& s, const void* data, u64 bytes);
void sha256_final(Sha256& s, u8 digest[32]);

}  // namespace kexec
}  // namespace baton
