// SPDX-License-Identifier: GPL-2.0-only
#include "model/mm/fence_pool.hpp"

#include "model/mm/early_alloc.hpp"
#include "model/mm/page_internal.hpp"
#include "model/text.hpp"

namespace baton::mm::fence {

using namespace internal;

namespace {

PhysAddr page_of_object(const Kernel& k, u64 i) { return k.fence.pool + (2 * i + 2) * geometry(k).page_size(); }

Page& struct_page(Kernel& k, u64 i) { return *claim_pages(k, geometry(k).pfn_of(page_of_object(k, i)), 1); }

/// Objects begin or end with their page: each kind of overrun is next to a guard page.
PhysAddr place_of(const Kernel& k, u64 i, u64 bytes) {
    const u64 page = geometry(k).page_size();
    return i % 2 == 0 ? page_of_object(k, i) : page_of_object(k, i) + (page - align_up(bytes, sizeof(u64)));
}

u64 sample_of(std::string_view command_line) {
    const auto option = text::last_option(command_line, "kfence.sample");
    if (!option) return kFenceSampleDefault;
    std::string_view value = option->value;
    const auto sample = text::take_size(value);
    if (sample && value.empty()) return *sample;
    const PackedName name = pack_name("kfence.sample");
    platform::log(LogLevel::kWarn, Log::kCmdlineBad, name.lo, name.hi);
    return kFenceSampleDefault;
}

}  // namespace

void init(Kernel& k, std::string_view command_line) {
    if (!k.option(kOptionKfence)) return;
    const u64 page = geometry(k).page_size();
    const PhysRange pool{{}, kFencePoolPages * page};
    const auto at = early_alloc(k, AllocSite::kFencePool, {.size = pool.size, .align = page});
    if (!at) {
        platform::log(LogLevel::kWarn, Log::kFenceNoPool, pool.size / kKiB);
        return;
    }
    platform::own({*at, pool.size}, Owner::kNobody, Owner::kKernel);
    k.fence = {.pool = *at, .sample = sample_of(command_line), .skipped = 0, .first_free = 0, .in_use = 0};
    platform::log(LogLevel::kInfo, Log::kFencePool, at->value, pool.size / kKiB, k.fence.sample);
    for (u64 i = kFenceObjects; i-- != 0;) {
        struct_page(k, i).private_data = k.fence.first_free;
        k.fence.first_free = i + 1;
    }
    platform::charge(Work::kListLinks, kFenceObjects);
}

std::optional<PhysAddr> take(Kernel& k, u64 bytes) {
    FencePool& f = k.fence;
    if (f.pool.value == 0 || f.sample == 0 || bytes == 0 || bytes > geometry(k).page_size()) return std::nullopt;
    if (++f.skipped < f.sample || f.first_free == 0) return std::nullopt;
    const u64 i = f.first_free - 1;
    BATON_ASSERT(i < kFenceObjects);
    Page& page = struct_page(k, i);
    f.first_free = page.private_data;
    f.skipped = 0;
    ++f.in_use;
    page.private_data = 0;
    page.index = bytes;
    platform::charge(Work::kListLinks, 1);
    return place_of(k, i, bytes);
}

bool holds(const Kernel& k, PhysAddr a) {
    return k.fence.pool.value != 0 && PhysRange{k.fence.pool, kFencePoolPages * geometry(k).page_size()}.contains(a);
}

bool give(Kernel& k, PhysAddr a) {
    const u64 nth = (a - k.fence.pool) >> geometry(k).page_shift;
    if (nth < 2 || nth % 2 != 0) return false;  // a guard page
    const u64 i = nth / 2 - 1;
    BATON_ASSERT(i < kFenceObjects);
    Page& page = struct_page(k, i);
    if (page.index == 0 || place_of(k, i, page.index) != a) return false;
    page.index = 0;
    page.private_data = k.fence.first_free;
    k.fence.first_free = i + 1;
    --k.fence.in_use;
    platform::charge(Work::kListLinks, 1);
    return true;
}

}  // namespace baton::mm::fence
