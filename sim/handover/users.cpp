// SPDX-License-Identifier: GPL-2.0-only
#include "sim/handover/users.hpp"

#include <fmt/format.h>
#include <libfdt.h>

#include <algorithm>
#include <cstring>

#include "sim/handover/tracker.hpp"
#include "sim/handover/vmalloc.hpp"

namespace baton::sim {
namespace {

inline constexpr u32 kReserveMemRegionsMax = 8;
inline constexpr u64 kReserveMemNameMax = 15;
inline constexpr u32 kTestKhoMagic = 0x4b484f21;
inline constexpr u64 kReleaseBytes = 65;
inline constexpr u64 kMetadataBytes = 4 + kReleaseBytes + 4;
inline constexpr u64 kContentBlock = 64 * kKiB;

const HandoverPiece* piece_at(const std::vector<HandoverPiece>& pieces, PhysAddr at) {
    const auto found = std::ranges::find(pieces, at, &HandoverPiece::phys);
    return found != pieces.end() ? &*found : nullptr;
}

class UserReader {
public:
    UserReader(const Handover& handover, u32 page_shift, const Coverage& preserved, bool contents,
               const RamReader& read, WarningSink& warnings)
        : h_(handover), shift_(page_shift), preserved_(preserved), contents_(contents), read_(read), warn_(warnings) {}

    HandoverUsers run() {
        for (const HandoverSubtree& s : h_.subtrees) {
            const HandoverPiece* tree = piece_at(h_.sub_fdts, s.blob);
            if (s.name == "memblock") {
                if (expect(s, tree, WarningId::kReserveMemBroken)) read_memblock(*tree);
            } else if (s.name == "kho_test") {
                if (expect(s, tree, WarningId::kTestKhoBroken)) read_test_kho(*tree);
            } else if (h_.format != nullptr && h_.format->subtree_property == "fdt") {
                expect(s, tree, WarningId::kFdtBroken);  // under "fdt" a blob is a tree, whosever it is
            }
            if (s.name == "kexec-metadata") read_metadata(s);
        }
        return std::move(out_);
    }

private:
    void warn(WarningId id, PhysAddr at, std::string text) { warn_.add(id, at, std::move(text)); }
    u64 page() const { return u64{1} << shift_; }

    /// Whether there is a tree; a blob that is not one at all is worth a warning of its own.
    bool expect(const HandoverSubtree& s, const HandoverPiece* tree, WarningId id) {
        u8 probe = 0;
        if (tree == nullptr && read_(s.blob, {&probe, 1}))
            warn(id, s.blob, fmt::format("the blob of {} at {:#x} is no good tree", s.name, s.blob.value));
        return tree != nullptr;
    }

    // --- reserve_mem --------------------------------------------------------------------------------------------

    void read_memblock(const HandoverPiece& tree) {
        const void* t = tree.bytes.data();
        if (tree_string(t, 0, "compatible") != "memblock-v1")
            warn(WarningId::kReserveMemBroken, tree.phys, "subtree memblock is not compatible with memblock-v1");
        note_unknown(t, 0, tree.phys, {"compatible"}, true, warn_);
        int node = 0;
        fdt_for_each_subnode(node, t, 0) {
            const char* name = fdt_get_name(t, node, nullptr);
            note_unknown(t, node, tree.phys, {"compatible", "start", "size"}, false, warn_);
            const auto start = tree_u64(t, node, "start");
            const auto size = tree_u64(t, node, "size");
            if (tree_string(t, node, "compatible") != "reserve-mem-v1" || !start || !size) {
                warn(WarningId::kReserveMemBroken, tree.phys,
                     fmt::format("region {}: compatible, start or size is missing or wrong", name));
                continue;
            }
            add_region({name, {*start}, *size}, tree.phys);
        }
        if (out_.reserve_mem.size() > kReserveMemRegionsMax)
            warn(WarningId::kReserveMemLimits, tree.phys,
                 fmt::format("{} regions, Linux has room for {}", out_.reserve_mem.size(), kReserveMemRegionsMax));
        require_apart();
    }
    void add_region(ReservedRegion region, PhysAddr at) {
        if (region.name.size() > kReserveMemNameMax)
            warn(WarningId::kReserveMemLimits, at, fmt::format("region {}: the name is too long", region.name));
        if (region.size == 0 || region.size % page() != 0 || region.start.value % page() != 0)
            warn(WarningId::kReserveMemUnaligned, region.start,
                 fmt::format("region {} at {:#x} has {:#x} bytes", region.name, region.start.value, region.size));
        if (region.size != 0 && !preserved_.covers({region.start, region.size}))
            warn(WarningId::kReserveMemNotPreserved, region.start,
                 fmt::format("region {} [{:#x}, +{:#x}) is not all preserved", region.name, region.start.value,
                             region.size));
        out_.reserve_mem.push_back(std::move(region));
    }
    void require_apart() {
        std::vector<const ReservedRegion*> sorted;
        for (const ReservedRegion& r : out_.reserve_mem) sorted.push_back(&r);
        std::ranges::sort(sorted, {}, [](const ReservedRegion* r) { return r->start; });
        for (u64 i = 1; i < sorted.size(); ++i)
            if (sorted[i]->start - sorted[i - 1]->start < sorted[i - 1]->size)
                warn(WarningId::kReserveMemOverlap, sorted[i]->start,
                     fmt::format("regions {} and {} overlap", sorted[i - 1]->name, sorted[i]->name));
    }

    // --- test_kho -----------------------------------------------------------------------------------------------

    void read_test_kho(const HandoverPiece& tree) {
        const void* t = tree.bytes.data();
        if (tree_string(t, 0, "compatible") != "kho-test-v1")
            warn(WarningId::kTestKhoBroken, tree.phys, "subtree kho_test is not compatible with kho-test-v1");
        TestKho test;
        if (const auto magic = tree_u32(t, 0, "magic")) test.magic = *magic;
        if (test.magic != kTestKhoMagic)
            warn(WarningId::kTestKhoBroken, tree.phys, fmt::format("kho_test: the magic is {:#x}", test.magic));
        note_unknown(t, 0, tree.phys, {"compatible", "magic"}, true, warn_);
        int data = -1;
        int node = 0;
        fdt_for_each_subnode(node, t, 0) {
            const std::string_view name = fdt_get_name(t, node, nullptr);
            if (name == "data" && data < 0)
                data = node;
            else
                warn(WarningId::kFdtUnknown, tree.phys, fmt::format("kho_test: unknown node {}", name));
        }
        if (data < 0) {
            warn(WarningId::kTestKhoBroken, tree.phys, "kho_test has no data");
            return;
        }
        note_unknown(t, data, tree.phys, {"nr_folios", "folios_info", "csum"}, false, warn_);
        const auto folios = tree_u32(t, data, "nr_folios");
        const auto checksum = tree_u32(t, data, "csum");
        int length = 0;
        const void* area = fdt_getprop(t, data, "folios_info", &length);
        if (!folios || !checksum || area == nullptr || length != kVmallocDescriptorBytes) {
            warn(WarningId::kTestKhoBroken, tree.phys, "kho_test: nr_folios, folios_info or csum is missing or wrong");
            return;
        }
        test.folios_stated = *folios;
        test.checksum = *checksum;
        test.area = read_vmalloc({static_cast<const u8*>(area), kVmallocDescriptorBytes}, tree.phys, shift_, preserved_,
                                 read_, warn_);
        read_folios(test, tree.phys);
        if (contents_) check_contents(test);
        out_.test_kho = std::move(test);
    }

    /// The list in the area's pages: one u64 a folio, its address | its order; zero behind the last.
    void read_folios(TestKho& test, PhysAddr at) {
        const u64 run_bytes = page() << std::min<u32>(test.area.order, 20);
        const u64 room = test.area.runs.size() * run_bytes / 8;
        if (!test.area.whole) return;
        if (test.folios_stated > room)
            warn(WarningId::kTestKhoBroken, at,
                 fmt::format("kho_test: {} folios, its list has room for {}", test.folios_stated, room));
        u64 index = 0;
        std::vector<u8> bytes(page());
        for (PhysAddr run : test.area.runs) {
            for (u64 offset = 0; offset < run_bytes; offset += page()) {
                if (!read_(run + offset, bytes)) return;  // contents that are not in the source
                if (!take_folios(test, bytes, index, run + offset)) return;
                index += bytes.size() / 8;
            }
        }
    }
    /// A page of the list, which begins with folio `first`.
    bool take_folios(TestKho& test, const std::vector<u8>& bytes, u64 first, PhysAddr at) {
        const WordScan words(bytes);
        u64 i = 0;
        for (; i < words.size() && first + i < test.folios_stated; ++i) {
            const u64 word = words.at(i);
            const HandoverBlock folio{{word & ~(page() - 1)}, {static_cast<u32>(word & (page() - 1))}};
            if (!is_block(folio))
                warn(WarningId::kTestKhoFolio, at + i * 8,
                     fmt::format("folio {} at {:#x} of order {} is not a preserved block", first + i, folio.phys.value,
                                 folio.order.value));
            test.folios.push_back(folio);
        }
        i = words.next(i);
        if (i == words.size()) return true;
        warn(WarningId::kTestKhoJunk, at + i * 8,
             fmt::format("kho_test's list goes on behind its {} folios", test.folios_stated));
        return false;
    }
    bool is_block(const HandoverBlock& b) {
        if (sorted_.empty()) {
            sorted_ = h_.blocks;
            std::ranges::sort(sorted_);
        }
        return std::ranges::binary_search(sorted_, b);
    }
    void check_contents(TestKho& test) {
        if (test.folios.size() != test.folios_stated || test.folios.empty()) return;
        u32 sum = 0;
        bool zero = true;
        std::vector<u8> bytes(kContentBlock);
        for (const HandoverBlock& f : test.folios) {
            if (f.order.value > order_max(shift_) || !preserved_.covers({f.phys, page() << f.order.value})) return;
            for (u64 at = 0, size = page() << f.order.value; at < size; at += bytes.size()) {
                bytes.resize(std::min(kContentBlock, size - at));
                if (!read_(f.phys + at, bytes)) return;
                sum = fold_checksum(bytes, sum);
                zero = zero && std::ranges::all_of(bytes, [](u8 b) { return b == 0; });
            }
            bytes.resize(kContentBlock);
        }
        if (zero && test.checksum != 0) {  // test_kho fills them with random bytes
            warn(WarningId::kTestKhoEmpty, test.folios[0].phys,
                 fmt::format("kho_test: all {} folios are zero", test.folios.size()));
            return;
        }
        // Ones' complement: 0 and 0xffff are the same number.
        const u32 stated = fold_checksum({}, test.checksum);
        test.checked = sum % 0xffff == stated % 0xffff ? TestKho::Checksum::kGood : TestKho::Checksum::kBad;
        if (test.checked == TestKho::Checksum::kBad)
            warn(WarningId::kTestKhoChecksum, test.area.first,
                 fmt::format("kho_test: contents sum up to {:#06x}, stated is {:#06x}", sum, stated));
    }

    // --- kexec-metadata -----------------------------------------------------------------------------------------

    void read_metadata(const HandoverSubtree& s) {
        const HandoverPiece* blob = piece_at(h_.blobs, s.blob);
        if (blob == nullptr) return;  // decoding has said why
        if (blob->bytes.size() != kMetadataBytes) {
            warn(WarningId::kMetadataBlobBroken, s.blob,
                 fmt::format("kexec-metadata has {} bytes, not {}", blob->bytes.size(), kMetadataBytes));
            if (blob->bytes.size() < kMetadataBytes) return;
        }
        KexecMetadata m;
        std::memcpy(&m.version, blob->bytes.data(), 4);
        const auto* release = reinterpret_cast<const char*>(blob->bytes.data()) + 4;
        m.previous_release.assign(release, strnlen(release, kReleaseBytes));
        std::memcpy(&m.kexec_count, blob->bytes.data() + 4 + kReleaseBytes, 4);
        const bool printable = std::ranges::all_of(m.previous_release, [](char c) { return c > ' ' && c < 0x7f; });
        const bool padded =
            std::all_of(release + m.previous_release.size(), release + kReleaseBytes, [](char c) { return c == 0; });
        if (m.version != 1 || m.previous_release.size() == kReleaseBytes || !printable || !padded)
            warn(WarningId::kMetadataBlobBroken, s.blob,
                 fmt::format("kexec-metadata: version {}, release of {} characters{}", m.version,
                             m.previous_release.size(), printable && padded ? "" : ", not all text"));
        out_.metadata = std::move(m);
    }

    const Handover& h_;
    const u32 shift_;
    const Coverage& preserved_;
    const bool contents_;
    const RamReader& read_;
    WarningSink& warn_;
    HandoverUsers out_;
    std::vector<HandoverBlock> sorted_;
};

}  // namespace

HandoverUsers read_users(const Handover& handover, u32 page_shift, const Coverage& preserved, bool contents,
                         const RamReader& read, WarningSink& warnings) {
    return UserReader(handover, page_shift, preserved, contents, read, warnings).run();
}

u16 fold_checksum(std::span<const u8> bytes, u32 sum) {
    u64 total = sum;
    for (u64 i = 0; i + 1 < bytes.size(); i += 2)
        total += static_cast<u64>(bytes[i]) | static_cast<u64>(bytes[i + 1]) << 8;
    if (bytes.size() % 2 != 0) total += bytes.back();
    while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
    return static_cast<u16>(total);
}

}  // namespace baton::sim
