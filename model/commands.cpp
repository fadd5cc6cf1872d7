// SPDX-License-Identifier: GPL-2.0-only
// The command ABI's receiving end: one handler an operation, found by number (model/command.hpp).
#include "model/drivers/drivers.hpp"
#include "model/kernel.hpp"
#include "model/kho/test_kho.hpp"
#include "model/kho/vmalloc.hpp"
#include "model/mm/hotplug.hpp"
#include "model/mm/pin.hpp"
#include "model/mm/vm_map.hpp"
#include "model/queries.hpp"

namespace baton {
namespace {

using Handler = Errno (*)(Kernel&, const Command&, Reply&);

template <class T>
Errno errno_of(const Result<T>& r) {
    return r ? Errno::kOk : r.error();
}

std::string_view text_of(const Command& c) {
    return {c.text, c.text_bytes < kCommandTextMax ? c.text_bytes : kCommandTextMax - 1};
}

Errno nop(Kernel&, const Command&, Reply&) { return Errno::kOk; }

Errno file_create(Kernel& k, const Command& c, Reply& r) {
    const auto slot = files::create(k, c.args[0]);
    if (!slot) return slot.error();
    r.values[0] = k.files.slots[*slot].first_index.value;
    r.values[1] = *slot;
    return Errno::kOk;
}

Errno file_free(Kernel& k, const Command& c, Reply&) { return errno_of(files::remove(k, static_cast<u32>(c.args[0]))); }

Errno file_load(Kernel& k, const Command& c, Reply&) {
    const kexec::LoadRequest request{static_cast<u32>(c.args[0]), static_cast<u32>(c.args[1]), text_of(c)};
    return errno_of(kexec::file_load(k, request));
}

Errno kexec_unload(Kernel& k, const Command&, Reply&) {
    kexec::unload(k);
    return Errno::kOk;
}

Errno exec(Kernel& k, const Command&, Reply&) { return errno_of(kexec::reboot(k)); }

Errno alloc(Kernel& k, const Command& c, Reply& r) {
    const bool folio = c.args[0] == static_cast<u64>(AllocKind::kFolio);
    if (folio && c.args[1] > geometry(k).max_order) return Errno::kEINVAL;
    if (!folio && c.args[1] == 0) return Errno::kEINVAL;
    const u64 node = c.args[2];
    const u64 online_nodes = k.numa.online != 0 ? k.numa.online : 1;
    if (node > kNodesMax || (node != 0 && (online_nodes >> (node - 1) & 1) == 0)) return Errno::kEINVAL;
    u32 flags = kAllocZero | kAllocUser | alloc_on({static_cast<i32>(node) - 1});
    if (node != 0 && (c.args[3] & kWishThisNode) != 0) flags |= kAllocThisNode;
    if ((c.args[3] & kWishMovable) != 0) flags |= kAllocMovable;
    const auto a = folio ? mm::alloc_pages(k, {static_cast<u32>(c.args[1])}, flags | kAllocCompound, AllocSite::kUser)
                         : mm::alloc_run(k, c.args[1], flags, AllocSite::kUser);
    if (!a) return a.error();
    r.values[0] = a->value;
    return Errno::kOk;
}

Errno free(Kernel& k, const Command& c, Reply&) {
    const PhysAddr a{c.args[1]};
    if (!mm::page_of(k, a)) return Errno::kEINVAL;
    if (c.args[0] == static_cast<u64>(AllocKind::kFolio))
        mm::release_folio(k, a);
    else
        mm::release_run(k, a, c.args[2]);
    return Errno::kOk;
}

Errno preserve_folio(Kernel& k, const Command& c, Reply&) { return errno_of(kho::preserve_folio(k, {c.args[0]})); }
Errno preserve_pages(Kernel& k, const Command& c, Reply&) {
    return errno_of(kho::preserve_pages(k, {c.args[0]}, c.args[1]));
}
Errno unpreserve_folio(Kernel& k, const Command& c, Reply&) { return errno_of(kho::unpreserve_folio(k, {c.args[0]})); }
Errno unpreserve_pages(Kernel& k, const Command& c, Reply&) {
    return errno_of(kho::unpreserve_pages(k, {c.args[0]}, c.args[1]));
}

Errno restore_folio(Kernel& k, const Command& c, Reply& r) {
    const auto order = kho::restore_folio(k, {c.args[0]});
    if (!order) return order.error();
    r.values[0] = c.args[0];
    r.values[1] = order->value;
    return Errno::kOk;
}

Errno restore_pages(Kernel& k, const Command& c, Reply& r) {
    r.values[0] = c.args[0];
    return errno_of(kho::restore_pages(k, {c.args[0]}, c.args[1]));
}

Errno finalise(Kernel& k, const Command&, Reply&) { return errno_of(kho::finalise(k)); }
Errno abort(Kernel& k, const Command&, Reply&) { return errno_of(kho::abort(k)); }

Errno add_subtree(Kernel& k, const Command& c, Reply&) {
    return errno_of(kho::add_subtree(k, text_of(c), {{c.args[0]}, c.args[1]}));
}

Errno retrieve_subtree(Kernel& k, const Command& c, Reply& r) {
    const auto blob = kho::retrieve_subtree(k, text_of(c));
    if (!blob) return blob.error();
    r.values[0] = blob->phys.value;
    r.values[1] = blob->bytes;
    return Errno::kOk;
}

Errno vmalloc_alloc(Kernel& k, const Command& c, Reply& r) {
    const u32 order = static_cast<u32>(c.args[1]);
    const u32 flags = kVmAlloc | (order != 0 ? u32{kVmAllowHuge} : 0);
    const auto slot = vm::alloc(k, c.args[0], {order}, flags);
    if (!slot) return slot.error();
    r.values[0] = *slot;
    return Errno::kOk;
}
Errno vmalloc_free(Kernel& k, const Command& c, Reply&) { return errno_of(vm::free(k, static_cast<u32>(c.args[0]))); }
Errno vmalloc_preserve(Kernel& k, const Command& c, Reply&) {
    return errno_of(kho::vmalloc_blob::save(k, static_cast<u32>(c.args[0]), text_of(c)));
}
Errno vmalloc_unpreserve(Kernel& k, const Command& c, Reply&) {
    return errno_of(kho::vmalloc_blob::drop(k, text_of(c)));
}
Errno vmalloc_restore(Kernel& k, const Command& c, Reply& r) {
    const auto slot = kho::vmalloc_blob::load(k, text_of(c));
    if (!slot) return slot.error();
    r.values[0] = *slot;
    return Errno::kOk;
}

Errno told(const Status& done, const kho::test_kho::Outcome& outcome, Reply& r) {
    r.values[0] = outcome.folios;
    r.values[1] = outcome.bytes;
    r.values[2] = outcome.checksum;
    r.values[3] = outcome.stated;
    return errno_of(done);
}
Errno test_kho_save(Kernel& k, const Command& c, Reply& r) {
    kho::test_kho::Outcome outcome{};
    const Status done = kho::test_kho::save(k, c.args[0], outcome);
    return told(done, outcome, r);
}
Errno test_kho_restore(Kernel& k, const Command&, Reply& r) {
    kho::test_kho::Outcome outcome{};
    const Status done = kho::test_kho::restore(k, outcome);
    return told(done, outcome, r);
}

Errno reserve_mem_find(Kernel& k, const Command& c, Reply& r) {
    const ReserveMemEntry* e = reserve_mem::find(k, text_of(c));
    if (e == nullptr) return Errno::kENOENT;
    r.values[0] = e->start.value;
    r.values[1] = e->size;
    r.values[2] = e->revived;
    return Errno::kOk;
}

Errno fail_alloc(Kernel& k, const Command& c, Reply& r) {
    r.values[0] = k.alloc_failure.seen;
    r.values[1] = k.alloc_failure.failed;
    const auto site = static_cast<u32>(c.args[0]);
    if (site != kAnySite && site > kAllocSiteCount) return Errno::kEINVAL;
    k.alloc_failure = {.site = site, .lasting = c.args[1] != 0 ? u32{1} : 0, .nth = c.args[2], .seen = 0, .failed = 0};
    return Errno::kOk;
}

Errno pin(Kernel& k, const Command& c, Reply& r) {
    const auto at = mm::pin(k, {c.args[0]});
    if (!at) return at.error();
    r.values[0] = at->value;
    return Errno::kOk;
}
Errno unpin(Kernel& k, const Command& c, Reply&) { return errno_of(mm::unpin(k, {c.args[0]})); }

Errno memory_block(Kernel& k, const Command& c, Reply&) {
    const PhysAddr block{c.args[1]};
    switch (static_cast<BlockChange>(c.args[0])) {
        case BlockChange::kOffline: return errno_of(hotplug::offline(k, block));
        case BlockChange::kOnline: return errno_of(hotplug::online(k, block));
        case BlockChange::kAdd: return errno_of(hotplug::add(k, block, c.args[2] != 0));
        case BlockChange::kRemove: return errno_of(hotplug::remove(k, block));
    }
    return Errno::kEINVAL;
}

Errno vmalloc_sum(Kernel& k, const Command& c, Reply& r) {
    const auto sum = vm::sum(k, c.args[0], c.args[1]);
    if (!sum) return sum.error();
    r.values[0] = *sum;
    return Errno::kOk;
}

Errno device(Kernel& k, const Command& c, Reply& r) { return drivers::control(k, c, r); }

struct Row {
    Op op;
    Handler handler;
};
constexpr Row kHandlers[] = {
    {Op::kNop, nop},
    {Op::kFileCreate, file_create},
    {Op::kFileFree, file_free},
    {Op::kKexecFileLoad, file_load},
    {Op::kKexecUnload, kexec_unload},
    {Op::kExec, exec},
    {Op::kAlloc, alloc},
    {Op::kFree, free},
    {Op::kPreserveFolio, preserve_folio},
    {Op::kPreservePages, preserve_pages},
    {Op::kUnpreserveFolio, unpreserve_folio},
    {Op::kUnpreservePages, unpreserve_pages},
    {Op::kRestoreFolio, restore_folio},
    {Op::kRestorePages, restore_pages},
    {Op::kFinalise, finalise},
    {Op::kAbort, abort},
    {Op::kAddSubtree, add_subtree},
    {Op::kRetrieveSubtree, retrieve_subtree},
    {Op::kVmallocAlloc, vmalloc_alloc},
    {Op::kVmallocFree, vmalloc_free},
    {Op::kVmallocPreserve, vmalloc_preserve},
    {Op::kVmallocUnpreserve, vmalloc_unpreserve},
    {Op::kVmallocRestore, vmalloc_restore},
    {Op::kTestKhoSave, test_kho_save},
    {Op::kTestKhoRestore, test_kho_restore},
    {Op::kReserveMemFind, reserve_mem_find},
    {Op::kFailAlloc, fail_alloc},
    {Op::kPin, pin},
    {Op::kUnpin, unpin},
    {Op::kMemoryBlock, memory_block},
    {Op::kVmallocSum, vmalloc_sum},
    {Op::kDevice, device},
    {Op::kQuery, query},
};
static_assert(sizeof(kHandlers) / sizeof(kHandlers[0]) == static_cast<u32>(Op::kCount));
static_assert(
    [] {
        for (u32 i = 0; i < static_cast<u32>(Op::kCount); ++i)
            if (static_cast<u32>(kHandlers[i].op) != i) return false;
        return true;
    }(),
    "rows of kHandlers stand in the order of the enumerators");

}  // namespace

void execute(Kernel& k, const Command& command, Reply& reply) {
    const Errno e =
        command.op < static_cast<u32>(Op::kCount) ? kHandlers[command.op].handler(k, command, reply) : Errno::kENOSYS;
    reply.error = static_cast<i32>(e);
}

}  // namespace baton
