// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/region.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace baton::scenarios {

u64 Region::pages() const {
    u64 n = 0;
    for (const Block& b : blocks) n += b.pages;
    return n;
}

void pattern(u64 seed, PhysAddr page, std::string_view region, std::span<u8> out) {
    // splitmix64 from a start that every part of the key moves.
    u64 state = XXH3_64bits_withSeed(region.data(), region.size(), seed) ^ page.value * 0x9e3779b97f4a7c15;
    for (std::size_t i = 0; i + 8 <= out.size(); i += 8) {
        u64 z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        z ^= z >> 31;
        std::memcpy(out.data() + i, &z, 8);
    }
}

void expected_content(u64 seed, PhysAddr page, const Region& region, std::span<u8> out) {
    if (!region.captured) return pattern(seed, page, region.name, out);
    for (std::size_t i = 0; i + 8 <= out.size(); i += 8) {
        const u64 word = sim::pattern_word(page + i);
        std::memcpy(out.data() + i, &word, sizeof(word));
    }
}

namespace {

// Calls f(page, address the pattern was made for) for every page, until it returns false.
template <class F>
void for_each_page(const Region& region, u64 page_size, F&& f) {
    for (std::size_t b = 0; b < region.blocks.size(); ++b)
        for (u64 i = 0; i < region.blocks[b].pages; ++i)
            if (!f(region.blocks[b].phys + i * page_size, region.original[b].phys + i * page_size)) return;
}

bool userspace_owns(const Region& region, Owner owner) {
    return owner == Owner::kUser || owner == Owner::kPreserved || owner == Owner::kHandedOver ||
           (region.reserve_mem && owner == Owner::kKernel);
}

}  // namespace

std::optional<std::string> fill(sim::Machine& machine, const Region& region) {
    std::vector<u8> bytes(machine.geometry().page_size());
    std::optional<std::string> stranger;
    for_each_page(region, bytes.size(), [&](PhysAddr page, PhysAddr key) {
        const Owner owner = machine.ownership().at(page.value >> kFrameShift);
        if (!userspace_owns(region, owner)) {
            stranger = name(owner);
            return false;
        }
        pattern(machine.config().seed, key, region.name, bytes);
        return machine.host_write(page, bytes);
    });
    return stranger;
}

std::optional<Difference> first_difference(sim::Machine& machine, const Region& region) {
    const u64 page_size = machine.geometry().page_size();
    std::vector<u8> is(page_size);
    std::vector<u8> was(page_size);
    std::optional<Difference> found;
    for_each_page(region, page_size, [&](PhysAddr page, PhysAddr key) {
        expected_content(machine.config().seed, key, region, was);
        if (!machine.read(page, is)) {
            found = Difference{page, 0, was[0]};
            return false;
        }
        const auto [a, b] = std::mismatch(is.begin(), is.end(), was.begin());
        if (a == is.end()) return true;
        found = Difference{page + static_cast<u64>(a - is.begin()), *a, *b};
        return false;
    });
    return found;
}

std::vector<Block> cut(const Region& region, const Range& range, u64 page_size) {
    u64 skip = range.first;
    u64 left = range.pages.value_or(~u64{0});
    std::vector<Block> out;
    for (const Block& b : region.blocks) {
        const u64 from = std::min(skip, b.pages);
        skip -= from;
        const u64 take = std::min(left, b.pages - from);
        left -= take;
        if (take != 0) out.push_back({b.phys + from * page_size, take});
    }
    return out;
}

void cut_out(Region& region, std::size_t block, u64 page, u64 page_size) {
    for (std::vector<Block>* blocks : {&region.blocks, &region.original}) {
        const Block whole = (*blocks)[block];
        std::vector<Block> parts;
        if (page != 0) parts.push_back({whole.phys, page});
        parts.push_back({whole.phys + page * page_size, 1});
        if (page + 1 < whole.pages) parts.push_back({whole.phys + (page + 1) * page_size, whole.pages - page - 1});
        const auto at = blocks->erase(blocks->begin() + static_cast<std::ptrdiff_t>(block));
        blocks->insert(at, parts.begin(), parts.end());
    }
}

std::vector<u8> to_bytes(const std::vector<Region>& regions) {
    nlohmann::json all = nlohmann::json::array();
    for (const Region& r : regions) {
        nlohmann::json one = {{"name", r.name},
                              {"kind", static_cast<u32>(r.kind)},
                              {"slot", r.slot},
                              {"area_start", r.area_start},
                              {"reserve_mem", r.reserve_mem},
                              {"filled", r.filled},
                              {"captured", r.captured},
                              {"held", r.held},
                              {"blocks", nlohmann::json::array()},
                              {"original", nlohmann::json::array()}};
        for (const Block& b : r.blocks) one["blocks"].push_back({b.phys.value, b.pages});
        for (const Block& b : r.original) one["original"].push_back({b.phys.value, b.pages});
        all.push_back(std::move(one));
    }
    return nlohmann::json::to_cbor(all);
}

std::vector<Region> regions_from_bytes(std::span<const u8> bytes) {
    const nlohmann::json all = nlohmann::json::from_cbor(bytes.begin(), bytes.end());
    std::vector<Region> out;
    for (const auto& one : all) {
        Region r{.name = one.at("name"),
                 .kind = static_cast<BlockKind>(one.at("kind").get<u32>()),
                 .slot = one.at("slot"),
                 .area_start = one.at("area_start"),
                 .reserve_mem = one.at("reserve_mem"),
                 .filled = one.at("filled"),
                 .captured = one.at("captured"),
                 .held = one.at("held")};
        for (const auto& b : one.at("blocks")) r.blocks.push_back({{b.at(0).get<u64>()}, b.at(1).get<u64>()});
        for (const auto& b : one.at("original")) r.original.push_back({{b.at(0).get<u64>()}, b.at(1).get<u64>()});
        out.push_back(std::move(r));
    }
    return out;
}

}  // namespace baton::scenarios
