// SPDX-License-Identifier: GPL-2.0-only
// The entry list as a test sees it: parsed and executed without any of the code under test, on a copy of RAM.
#pragma once

#include <cstring>
#include <stdexcept>
#include <vector>

#include "model/kexec/kexec.hpp"
#include "tests/support/bare_machine.hpp"

namespace baton::test {

struct PageCopy {
    u64 source;
    u64 destination;
};

struct ParsedList {
    std::vector<PageCopy> copies;
    std::vector<u64> list_pages;
};

/// Reads the list from `head` (specs/kexec.md §2).
inline ParsedList parse_list(BareMachine& m, u64 head, u64 page_size) {
    ParsedList list;
    u64 destination = 0;
    u64 at = 0;
    u64 word = head;
    for (u64 steps = 0; !(word & 4); ++steps) {
        if (steps > 10'000'000 || word == 0) throw std::runtime_error("the entry list has no end");
        const u64 address = word & ~(page_size - 1);
        switch (word & (page_size - 1)) {
            case 1: destination = address; break;
            case 2:
                list.list_pages.push_back(address);
                at = address;
                break;
            case 8:
                list.copies.push_back({address, destination});
                destination += page_size;
                break;
            default: throw std::runtime_error("the entry list holds a word with odd flags");
        }
        std::memcpy(&word, m.bytes({at}), 8);
        at += 8;
    }
    return list;
}

/// A copy of the machine's RAM, with the list executed on it in list order.
class Relocated {
public:
    Relocated(BareMachine& m, const ParsedList& list, u64 page_size, bool swap)
        : start_(m.ram().start.value), bytes_(m.ram().size) {
        std::memcpy(bytes_.data(), m.bytes(m.ram().start), bytes_.size());
        std::vector<u8> third(page_size);
        for (const PageCopy& c : list.copies) {
            if (swap) std::memcpy(third.data(), at(c.destination), page_size);
            if (c.source != c.destination) std::memcpy(at(c.destination), at(c.source), page_size);
            if (swap) std::memcpy(at(c.source), third.data(), page_size);
        }
    }
    u8* at(u64 phys) { return bytes_.data() + (phys - start_); }
    template <class T>
    T load(u64 phys) {
        T v;
        std::memcpy(&v, at(phys), sizeof(v));
        return v;
    }

private:
    u64 start_;
    std::vector<u8> bytes_;
};

}  // namespace baton::test
