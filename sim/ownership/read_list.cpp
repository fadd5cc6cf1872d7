// SPDX-License-Identifier: GPL-2.0-only
#include "sim/ownership/read_list.hpp"

#include <set>

namespace baton::sim {
namespace {

// Of an entry; told apart by the machine code in another order on each ISA.
inline constexpr u64 kDestination = 1;
inline constexpr u64 kIndirection = 2;
inline constexpr u64 kDone = 4;
inline constexpr u64 kSource = 8;

constexpr u64 meaning(Isa isa, u64 entry) {
    constexpr u64 kX86Order[] = {kDestination, kIndirection, kDone, kSource};
    constexpr u64 kArmOrder[] = {kDone, kSource, kIndirection, kDestination};
    for (const u64 flag : isa == Isa::kX86_64 ? kX86Order : kArmOrder)
        if ((entry & flag) != 0) return flag;
    return 0;
}

class TableWalk {
public:
    TableWalk(const PhysicalMemory& memory, Isa isa, u32 page_shift)
        : memory_(memory), isa_(isa), page_shift_(page_shift) {}

    void table(PhysAddr at, u32 level) {
        const u64 page = u64{1} << page_shift_;
        if (found.size() == kTablesMax || !memory_.is_ram({at, page}) || !seen_.insert(at.value).second) return;
        found.push_back(at);
        if (level == 0) return;
        for (u64 i = 0; i < page; i += sizeof(u64))
            if (const u64 entry = memory_.load<u64>(at + i).value_or(0); leads_on(entry))
                table({entry & kAddress & ~(page - 1)}, level - 1);
    }
    std::vector<PhysAddr> found;

private:
    static constexpr u64 kAddress = (u64{1} << 48) - 1;
    /// Of an entry above the leaves: it names a table.
    bool leads_on(u64 entry) const {
        return isa_ == Isa::kX86_64 ? (entry & 0x81) == 1  // present, and not a large page
                                    : (entry & 3) == 3;    // valid, and not a block
    }

    const PhysicalMemory& memory_;
    const Isa isa_;
    const u32 page_shift_;
    std::set<u64> seen_;
};

}  // namespace

EntryList read_entry_list(const PhysicalMemory& memory, Isa isa, u64 page_size, u64 head) {
    EntryList list;
    std::set<u64> seen;
    PhysAddr to{};
    PhysAddr at{};
    u64 entry = head;
    for (u64 words = 0; words < kListWordsMax; ++words) {
        const PhysAddr address{entry & ~(page_size - 1)};
        switch (meaning(isa, entry)) {
            case kDestination: to = address; break;
            case kIndirection: at = address; break;
            case kDone: return list;
            case kSource:
                list.copies.push_back({address, to});
                to += page_size;
                break;
            default: break;  // skipped
        }
        if (at.value % page_size == 0) {
            if (!memory.is_ram({at, page_size}) || !seen.insert(at.value).second) return list;
            list.pages.push_back(at);
        }
        entry = memory.load<u64>(at).value_or(kDone);
        at += sizeof(u64);
    }
    return list;
}

std::vector<PhysAddr> table_pages(const PhysicalMemory& memory, Isa isa, u32 page_shift, u32 levels, PhysAddr root) {
    TableWalk walk(memory, isa, page_shift);
    if (levels != 0) walk.table(root, levels - 1);
    return walk.found;
}

}  // namespace baton::sim
