// SPDX-License-Identifier: GPL-2.0-only
// Saving and restoring the data of test_kho (see test_kho.hpp).
//
// The checksum is the kernel's csum_partial, folio after folio, and so differs between ISAs in what it leaves unfolded:
// on x86-64 it is the 32-bit ones'-complement sum of all words; on AArch64 each folio's is folded to 16 bits before it
// is added (which the captured values show: eight folios, 19 bits).
#include "model/kho/test_kho.hpp"

#include <libfdt.h>

#include <algorithm>

#include "model/bits.hpp"
#include "model/kho/fdt.hpp"
#include "model/kho/tree_writer.hpp"
#include "model/kho/vmalloc.hpp"
#include "model/mm/vm_map.hpp"

namespace baton::kho::test_kho {
namespace {

inline constexpr char kSubtree[] = "kho_test";
inline constexpr char kCompatible[] = "kho-test-v1";
inline constexpr u32 kMagic = 0x4b484f21;  // "KHO!"

/// splitmix64: one word of the platform's randomness is enough for all data.
struct Stream {
    u64 state;
    u64 next() {
        u64 z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
};

u64 add_around(u64 a, u64 b) {
    const u64 sum = a + b;
    return sum + (sum < a ? 1 : 0);
}

/// Ones'-complement sum of the words of a folio, not folded.
u64 sum_of(const Kernel& k, PhysAddr a, Order order) {
    const u64 page_size = geometry(k).page_size();
    u64 sum = 0;
    for (u64 page = 0; page < order.pages(); ++page) {
        const u64* words = ram::read<u64>(a + page * page_size, page_size / sizeof(u64));
        for (u64 i = 0; i < page_size / sizeof(u64); ++i) sum = add_around(sum, words[i]);
        platform::charge(Work::kBytesCopied, page_size);
    }
    return sum;
}

u32 fold_32(u64 sum) {
    const u64 once = (sum & ~u32{0}) + (sum >> 32);
    return static_cast<u32>(once + (once >> 32));
}
u32 fold_16(u32 sum) {
    const u32 once = (sum & 0xffff) + (sum >> 16);
    return (once & 0xffff) + (once >> 16);
}

/// `checksum` with one more folio.
u32 add_folio(const Kernel& k, u32 checksum, PhysAddr a, Order order) {
    const u64 sum = sum_of(k, a, order);
    const u32 folio = geometry(k).isa == Isa::kAArch64 ? fold_16(fold_32(sum)) : fold_32(sum);
    return fold_32(u64{checksum} + folio);
}

void fill_random(const Kernel& k, Stream& random, PhysAddr a, Order order) {
    const u64 words = geometry(k).bytes_of(order) / sizeof(u64);
    u64* p = ram::write<u64>(a, words);
    for (u64 i = 0; i < words; ++i) p[i] = random.next();
    platform::charge(Work::kBytesCopied, words * sizeof(u64));
}

/// A random order, made smaller until the folio fits what is left.
Order order_for(const Kernel& k, Stream& random, u64 bytes_left) {
    Order order{static_cast<u32>(random.next() % (geometry(k).max_order + 1))};
    while (geometry(k).bytes_of(order) > bytes_left) --order.value;  // a page always fits
    return order;
}

struct Random {
    Stream orders;
    Stream data;
};

/// How many folios `orders` makes of that many bytes.
u64 count_folios(const Kernel& k, Stream orders, u64 bytes) {
    u64 count = 0;
    for (; bytes >= geometry(k).page_size(); ++count) bytes -= geometry(k).bytes_of(order_for(k, orders, bytes));
    return count;
}

/// Allocates, fills, preserves and lists folios, the list being words of a mapped area with room for them all.
Status make_folios(Kernel& k, Random random, u64 bytes_max, const VmArea& list, Outcome& outcome) {
    while (bytes_max - outcome.bytes >= geometry(k).page_size()) {
        const Order order = order_for(k, random.orders, bytes_max - outcome.bytes);
        const auto folio =
            mm::alloc_pages(k, order, order.value != 0 ? u32{kAllocCompound} : 0, AllocSite::kTestKhoFolio);
        if (!folio) return fail(folio.error());
        fill_random(k, random.data, *folio, order);
        outcome.checksum = add_folio(k, outcome.checksum, *folio, order);
        if (const Status kept = preserve_folio(k, *folio); !kept) return kept;
        vm::store_word(k, list, outcome.folios, folio->value | order.value);
        ++outcome.folios;
        outcome.bytes += geometry(k).bytes_of(order);
    }
    return {};
}

/// The blob, in a folio that has room for a list it does not hold, as upstream's has.
Status publish(Kernel& k, const Outcome& outcome, const VmallocDescriptor& list) {
    const u64 page_size = geometry(k).page_size();
    const u64 pages = div_round_up(outcome.folios * sizeof(u64) + page_size, page_size);
    const Order order{floor_log2(pages) + (is_power_of_two(pages) ? 0 : 1)};
    const auto blob = mm::alloc_pages(k, order, kAllocCompound, AllocSite::kTestKhoBlob);
    if (!blob) return fail(blob.error());
    const auto bytes = write_blob(*blob, geometry(k).bytes_of(order), outcome, list);
    if (!bytes) return fail(bytes.error());
    if (const Status kept = preserve_folio(k, *blob); !kept) return kept;
    return add_subtree(k, kSubtree, {*blob, *bytes});
}

/// What a blob says.
struct Stated {
    u32 folios;
    VmallocDescriptor list;
    u32 checksum;
};
Result<Stated> read_blob(const Kernel& k) {
    const auto found = retrieve_subtree(k, kSubtree);
    if (!found) return fail(found.error());
    const FdtView view = open_fdt(found->phys, geometry(k).page_size());
    if (view.error != 0 || fdt_node_check_compatible(view.tree, 0, kCompatible) != 0) return fail(Errno::kEINVAL);
    const int node = fdt_subnode_offset(view.tree, 0, "data");
    if (node < 0) return fail(Errno::kEINVAL);
    const auto folios = property<u32>(view.tree, node, "nr_folios");
    const auto list = property<VmallocDescriptor>(view.tree, node, "folios_info");
    const auto checksum = property<u32>(view.tree, node, "csum");
    if (!folios || !list || !checksum) return fail(Errno::kEINVAL);
    return Stated{*folios, *list, *checksum};
}

/// Restores one entry of the list; false if it is not what the list says. The folio is freed once it is summed up.
bool take_back(Kernel& k, u64 entry, Outcome& outcome) {
    const u64 page_mask = geometry(k).page_size() - 1;
    const PhysAddr phys{entry & ~page_mask};
    const auto order = restore_folio(k, phys);
    if (!order || order->value != (entry & page_mask)) return false;
    outcome.checksum = add_folio(k, outcome.checksum, phys, *order);
    ++outcome.folios;
    outcome.bytes += geometry(k).bytes_of(*order);
    mm::free_pages(k, phys, *order);
    return true;
}

}  // namespace

Result<u64> write_blob(PhysAddr at, u64 bytes, const Outcome& outcome, const VmallocDescriptor& list) {
    TreeWriter w(at, bytes);
    w.begin("");
    w.string("compatible", kCompatible);
    w.value("magic", kMagic);
    w.begin("data");
    w.value("nr_folios", static_cast<u32>(outcome.folios));
    w.value("folios_info", list);
    w.value("csum", outcome.checksum);
    w.end();
    w.end();
    return w.finish();
}

Status save(Kernel& k, u64 bytes_max, Outcome& outcome) {
    outcome = {};
    if (k.kho.enabled == 0 || !k.rules().vmalloc) return fail(Errno::kEOPNOTSUPP);
    if (bytes_max < geometry(k).page_size()) return fail(Errno::kEINVAL);
    const u64 seed = platform::random(kRandomTestKho);
    const Random random{{seed}, {~seed}};
    const u64 page_size = geometry(k).page_size();
    const u64 list_bytes = count_folios(k, random.orders, bytes_max) * sizeof(u64);
    const auto slot = vm::alloc(k, div_round_up(list_bytes, page_size), {0}, kVmAlloc);
    if (!slot) return fail(slot.error());
    if (const Status made = make_folios(k, random, bytes_max, *vm::find(k, *slot), outcome); !made) return made;
    outcome.stated = outcome.checksum;
    VmallocDescriptor list{};
    if (const Status kept = preserve_vmalloc(k, *slot, list); !kept) return kept;
    if (const Status told = publish(k, outcome, list); !told) return told;
    platform::log(LogLevel::kInfo, Log::kTestKhoSaved, outcome.folios, outcome.bytes, outcome.checksum);
    return {};
}

Status restore(Kernel& k, Outcome& outcome) {
    outcome = {};
    const auto blob = read_blob(k);
    if (!blob) return fail(blob.error());
    outcome.stated = blob->checksum;
    const auto slot = restore_vmalloc(k, blob->list);
    if (!slot) return fail(slot.error());
    const VmArea& list = *vm::find(k, *slot);
    const u64 room = list.pages * (geometry(k).page_size() / sizeof(u64));
    const u64 wanted = std::min<u64>(blob->folios, room);
    while (outcome.folios < wanted && take_back(k, vm::load_word(k, list, outcome.folios), outcome)) {
    }
    if (!vm::free(k, *slot)) BATON_WARN();
    const bool whole = outcome.folios == blob->folios;
    platform::log(LogLevel::kInfo, Log::kTestKhoRestored, outcome.folios, blob->folios, outcome.checksum,
                  outcome.stated);
    if (!whole || outcome.checksum != outcome.stated) return fail(Errno::kEINVAL);
    platform::log(LogLevel::kInfo, Log::kTestKhoSucceeded);
    return {};
}

}  // namespace baton::kho::test_kho
