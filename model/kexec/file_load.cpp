// SPDX-License-Identifier: GPL-2.0-only
// kexec_file_load: from two files and a command line to an image that can be jumped into (specs/kexec.md §1).
//
// The order matters. Destinations are chosen first, so that control pages and tables, chosen next, avoid them; source
// pages come last. The image is built beside the one that is loaded already and replaces it only when it is complete:
// a load that fails leaves everything as it was.
#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "model/kexec/control.hpp"
#include "model/kexec/entry_list.hpp"
#include "model/kexec/loader.hpp"
#include "model/kexec/pages.hpp"

namespace baton::kexec {
namespace {

inline constexpr u64 kScratchArrayAlign = 64 * kKiB;  // specs/kho.md §2.4

// Last byte that may be a source, a destination or a control page (§3.3).
u64 address_limit(const Geometry& g) { return g.isa == Isa::kX86_64 ? shl(1, 46) - 1 : ~u64{0}; }

bool is_x86(const Load& load) { return geometry(load.k).isa == Isa::kX86_64; }

bool file_exists(const Kernel& k, u32 slot) { return slot < kFilesMax && k.files.slots[slot].size_bytes != 0; }

// Frees everything an image owns and clears it.
void discard(Kernel& k, Kimage& image) {
    free_list(k, image);
    free_control(k, image);
    free_waiting(k, image.dest_pages);
    free_chain(k, image.unusable_pages, Owner::kKernel);
    release_buffers(k, image);
    image = {};
}

// The scratch array is the first segment of all, so that it gets the highest place (specs/kho.md §3.5).
Status add_handover(Load& load) {
    const kho::Fill fill = kho::fill(load.k);
    load.image.kho_fdt = fill.fdt;
    if (fill.scratch_bytes == 0) return {};
    KexecSegment content = memory_content(fill.scratch, fill.scratch_bytes, 0);
    content.hashed = is_x86(load);
    const Result<u32> index = add_segment(load, content,
                                          {.memsz = fill.scratch_bytes,
                                           .align = kScratchArrayAlign,
                                           .buf_min = 0,
                                           .buf_max = ~u64{0},
                                           .top_down = true,
                                           .page_size = 0});
    if (!index) return fail(index.error());
    load.image.kho_scratch = load.image.segments[*index].mem;
    load.image.kho_scratch_bytes = fill.scratch_bytes;
    return {};
}

Status place(Load& load) {
    if (Status s = add_handover(load); !s) return s;
    if (Status s = is_x86(load) ? load_bzimage(load) : load_arm64_image(load); !s) return s;
    platform::at(Site::kLoadPlaced, load.image.segment_count);
    return check_segments(load.k, load.image);
}

Status prepare(Load& load) {
    if (Status s = alloc_control(load.k, load.image); !s) return s;
    if (is_x86(load))
        if (Status s = build_identity_map(load.k, load.image); !s) return s;
    platform::at(Site::kLoadControl, load.image.control_code_page.value);
    if (is_x86(load)) {
        digest_segments(load.k, load.image);
        platform::at(Site::kLoadDigest);
    }
    return {};
}

Status build(Load& load) {
    if (Status s = place(load); !s) return s;
    if (Status s = prepare(load); !s) return s;
    if (Status s = copy_segments(load.k, load.image); !s) return s;
    terminate(load.image);
    return is_x86(load) ? Status{} : build_linear_copy(load.k, load.image);
}

void publish(Kernel& k, Kimage& loading) {
    free_waiting(k, loading.dest_pages);
    free_chain(k, loading.unusable_pages, Owner::kKernel);
    release_buffers(k, loading);
    loading.loaded = 1;
    const Kimage previous = k.kexec.image;
    k.kexec.image = loading;
    loading = previous;
    discard(k, loading);
}

void report(const Kimage& image) {
    for (u32 i = 0; i < image.segment_count; ++i) {
        const KexecSegment& s = image.segments[i];
        platform::log(LogLevel::kDebug, Log::kKexecSegment, i, s.mem.value, s.memsz, s.bufsz);
    }
    platform::log(LogLevel::kInfo, Log::kKexecLoaded, image.start.value, image.segment_count, image.source_pages);
}

}  // namespace

std::unexpected<Errno> bad_image(Probe why) {
    platform::log(LogLevel::kError, Log::kKexecBadImage, static_cast<u64>(why));
    return fail(Errno::kENOEXEC);
}

boot::NextBoot next_boot(const Load& load) {
    const Kimage& image = load.image;
    const bool handover = image.kho_fdt.value != 0 && image.kho_scratch_bytes != 0;
    boot::NextBoot next{};
    next.command_line = load.request.command_line;
    if (handover) {
        next.kho_fdt = image.kho_fdt;
        next.kho_fdt_size = geometry(load.k).page_size();
        next.kho_scratch = image.kho_scratch;
        next.kho_scratch_bytes = image.kho_scratch_bytes;
    }
    return next;
}

Result<PhysRange> add_initrd(Load& load, HoleRequest where) {
    const u32 slot = load.request.initrd_slot;
    if (slot == kNoFile) return PhysRange{};
    const u64 bytes = load.k.files.slots[slot].size_bytes;
    where.memsz = bytes;
    KexecSegment content = file_content(slot, 0, bytes);
    content.hashed = is_x86(load);
    const Result<u32> index = add_segment(load, content, where);
    if (!index) return fail(index.error());
    return PhysRange{load.image.segments[*index].mem, bytes};
}

Status file_load(Kernel& k, const LoadRequest& request) {
    if (k.kexec.in_progress) return fail(Errno::kEBUSY);
    const bool initrd_ok = request.initrd_slot == kNoFile || file_exists(k, request.initrd_slot);
    if (!file_exists(k, request.kernel_slot) || !initrd_ok) return fail(Errno::kENOENT);
    if (request.command_line.size() >= kCommandTextMax) return fail(Errno::kEINVAL);

    Load load{.k = k, .image = k.kexec.loading, .request = request};
    BATON_ASSERT(load.image.segment_count == 0 && load.image.head == 0);
    init_list(load.image);
    load.image.address_limit = address_limit(geometry(k));
    platform::at(Site::kLoadBegin, request.kernel_slot);
    if (const Status s = build(load); !s) {
        const bool no_hole = s.error() == Errno::kEADDRNOTAVAIL && load.refused.memsz != 0;
        if (no_hole)
            platform::log(LogLevel::kError, Log::kKexecNoHole, load.refused_segment, load.refused.memsz,
                          load.refused.align);
        discard(k, load.image);
        return s;
    }
    publish(k, load.image);
    report(k.kexec.image);
    platform::at(Site::kLoadEnd, k.kexec.image.start.value);
    return {};
}

void unload(Kernel& k) {
    if (k.kexec.image.loaded == 0) return;
    discard(k, k.kexec.image);
    platform::log(LogLevel::kInfo, Log::kKexecUnloaded);
}

}  // namespace baton::kexec
