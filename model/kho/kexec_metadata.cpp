// SPDX-License-Identifier: GPL-2.0-only
// `kexec-metadata`: which kernel the next one came from, and how many kexecs lie behind it (specs/kho.md §2.10).
//
// Failures of a handover can depend on the number and the versions of the kernels before; this is what they left.
#include <algorithm>
#include <cstring>

#include "model/kho/fdt.hpp"
#include "model/kho/metadata.hpp"
#include "model/kho/root_fdt.hpp"

namespace baton::kho::kexec_metadata {
namespace {

/// Kexecs before this kernel.
u32 count_on(const Kernel& k) {
    const auto blob = retrieve_subtree(k, kKexecMetadataSubtree);
    if (!blob) return 0;
    if (blob->bytes < sizeof(KexecMetadata) || !is_memory(k, blob->phys, sizeof(KexecMetadata))) {
        platform::log(LogLevel::kWarn, Log::kKhoMetadataBad, blob->bytes, 0);
        return 0;
    }
    const auto said = ram::load<KexecMetadata>(blob->phys);
    if (said.version != kKexecMetadataVersion) {
        platform::log(LogLevel::kWarn, Log::kKhoMetadataBad, blob->bytes, said.version);
        return 0;
    }
    const PackedName release =
        pack_name({said.previous_release, strnlen(said.previous_release, sizeof said.previous_release)});
    platform::log(LogLevel::kInfo, Log::kKhoMetadata, release.lo, release.hi, said.kexec_count + u64{1});
    return said.kexec_count + 1;
}

Status tell(Kernel& k) {
    KexecMetadata own{.version = kKexecMetadataVersion, .previous_release = {}, .kexec_count = k.kho.kexec_count};
    const std::string_view release = k.rules().release;
    BATON_ASSERT(release.size() < sizeof own.previous_release);
    std::copy(release.begin(), release.end(), own.previous_release);
    ram::store(k.kho.metadata_blob, own);
    if (const Status kept = preserve_folio(k, k.kho.metadata_blob); !kept) return kept;
    const Status added = add_subtree(k, kKexecMetadataSubtree, {k.kho.metadata_blob, sizeof own});
    if (!added && !unpreserve_folio(k, k.kho.metadata_blob)) BATON_WARN();
    return added;
}

}  // namespace

Status offer(Kernel& k) {
    k.kho.kexec_count = count_on(k);
    const auto page = alloc_metadata_page(k, AllocSite::kKhoMetadata);
    if (!page) return fail(page.error());
    k.kho.metadata_blob = *page;
    const Status told = tell(k);
    if (told) return {};
    k.kho.metadata_blob = {};
    free_metadata_page(k, *page);
    return told;
}

}  // namespace baton::kho::kexec_metadata
