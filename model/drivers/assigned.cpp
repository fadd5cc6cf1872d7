// SPDX-License-Identifier: GPL-2.0-only
// A device that belongs to a virtual machine (VFIO): the host's driver pins the machine's memory and maps it at the
// addresses that the machine knows; the machine programs the device itself.
#include "model/drivers/access.hpp"
#include "model/mm/pin.hpp"

namespace baton::drivers {
namespace {

void unpin_all(Kernel& k, PhysRange range) {
    const Geometry& g = geometry(k);
    for (u64 done = 0; done < range.size;) {
        const PhysAddr folio = range.start + done;
        done += g.bytes_of(mm::folio_order(k, folio));
        (void)mm::unpin(k, folio);  // EINVAL: somebody took the pin away
    }
}

// One folio, or pages one by one, where they lie then. Pages that are one run must stay one.
Result<PhysAddr> pin_all(Kernel& k, PhysAddr start, u64 bytes) {
    const Geometry& g = geometry(k);
    PhysAddr now = start;
    for (u64 done = 0; done < bytes;) {
        const u64 folio = g.bytes_of(mm::folio_order(k, start + done));
        const auto at = mm::pin(k, start + done);
        if (at && done == 0) now = *at;
        if (!at || *at != now + done) {
            if (at) (void)mm::unpin(k, *at);
            unpin_all(k, {now, done});
            return fail(at ? Errno::kEFAULT : at.error());
        }
        done += folio;
    }
    return now;
}

}  // namespace

Errno map_user(Kernel& k, u32 slot, const Command& command, Reply& reply) {
    const PhysAddr start{command.args[2]};
    const u64 bytes = command.args[3];
    const u64 page = geometry(k).page_size();
    if (bytes == 0 || bytes % page != 0 || bytes > kTiB || !is_aligned(start, page)) return Errno::kEINVAL;
    if (command.args[4] % page != 0) return Errno::kEINVAL;
    // Without an IOMMU a bus address is a physical one: only an identity mapping can be had.
    if (k.drivers.iommu == 0 && command.args[4] != start.value) return Errno::kEINVAL;
    for (const DmaMapping& m : k.drivers.mappings)
        if (m.slot == slot && m.user != 0 && m.range.overlaps({start, bytes})) return Errno::kEBUSY;
    const auto at = pin_all(k, start, bytes);
    if (!at) return at.error();
    reply.values[0] = at->value;
    const u64 bus = k.drivers.iommu != 0 ? command.args[4] : at->value;
    const Status mapped = map_dma(k, {{*at, bytes}, bus, slot, 1});
    if (mapped) return Errno::kOk;
    unpin_all(k, {*at, bytes});
    return mapped.error();
}

Errno unmap_user(Kernel& k, u32 slot, PhysAddr start) {
    for (const DmaMapping& m : k.drivers.mappings) {
        if (m.range.size == 0 || m.slot != slot || m.user == 0 || m.range.start != start) continue;
        const PhysRange range = m.range;
        unmap_dma(k, slot, true, start);
        unpin_all(k, range);
        return Errno::kOk;
    }
    return Errno::kEINVAL;
}

}  // namespace baton::drivers
