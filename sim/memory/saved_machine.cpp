// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/saved_machine.hpp"

#include <algorithm>
#include <cstring>

#include <xxhash.h>

#include "sim/memory/atomic_file.hpp"
#include "sim/memory/ram_stream.hpp"

namespace baton::sim {

namespace {

constexpr std::string_view kMagic = "BATONSAV";
constexpr u32 kVersion = 4;
constexpr u64 kSizeOffset = 16;     // of the file size
constexpr u64 kPreambleBytes = 24;  // magic … file size: the same in every version
constexpr u64 kChecksumBytes = 8;

void put_u128(ByteWriter& to, u128 value) {
    to.put(static_cast<u64>(value));
    to.put(static_cast<u64>(value >> 64));
}

u128 get_u128(ByteReader& from) {
    const u64 low = from.get<u64>();
    const u64 high = from.get<u64>();
    return static_cast<u128>(high) << 64 | low;
}

/// The row of a table of the model that has this name in the file.
template <class Row, std::size_t kRows>
u32 get_row(ByteReader& from, const Row (&table)[kRows], std::string_view Row::* name) {
    const std::string wanted = from.get_string();
    const auto row = std::ranges::find(table, wanted, name);
    if (row == std::end(table)) from.fail("counts '" + wanted + "', which this build does not know");
    return static_cast<u32>(row - table);
}

template <class Row, std::size_t kRows>
void put_counts(ByteWriter& to, const std::array<u64, kRows>& counts, const Row (&table)[kRows]) {
    to.put(static_cast<u32>(kRows - static_cast<u64>(std::ranges::count(counts, u64{0}))));
    for (u32 i = 0; i < kRows; ++i) {
        if (counts[i] == 0) continue;
        to.put_string(table[i].name);
        to.put(counts[i]);
    }
}

template <class Row, std::size_t kRows>
void get_counts(ByteReader& from, std::array<u64, kRows>& counts, const Row (&table)[kRows]) {
    for (u32 n = from.get<u32>(); n > 0; --n) {
        u64& count = counts[get_row(from, table, &Row::name)];
        count = from.get<u64>();
    }
}

void put_ledger(ByteWriter& to, const Ledger::State& ledger) {
    to.put_string(info(ledger.phase).code);
    to.put(ledger.page_size);
    put_u128(to, ledger.now);
    to.put(kPhaseCount);
    for (u32 i = 0; i < kPhaseCount; ++i) {
        to.put_string(kPhases[i].code);
        put_u128(to, ledger.time[i]);
        put_counts(to, ledger.work[i], kWorks);
    }
}

Ledger::State get_ledger(ByteReader& from) {
    Ledger::State ledger;
    ledger.phase = static_cast<Phase>(get_row(from, kPhases, &PhaseInfo::code));
    ledger.page_size = from.get<u64>();
    ledger.now = get_u128(from);
    for (u32 n = from.get<u32>(); n > 0; --n) {
        const u32 phase = get_row(from, kPhases, &PhaseInfo::code);
        ledger.time[phase] = get_u128(from);
        get_counts(from, ledger.work[phase], kWorks);
    }
    return ledger;
}

void put_header(ByteWriter& to, const SavedHeader& header) {
    to.put(static_cast<u32>(header.geometry));
    to.put(static_cast<u32>(header.generation));
    to.put(header.seed);
    to.put(header.step);
    to.put_string(header.profile);
    put_ledger(to, header.ledger);
    put_counts(to, header.sites, kSites);
}

SavedHeader get_header(ByteReader& from) {
    SavedHeader header;
    const u32 geometry = from.get<u32>();
    if (geometry >= std::size(kGeometries)) from.fail("is of an ISA that this build does not know");
    header.geometry = static_cast<GeometryId>(geometry);
    header.generation = static_cast<Generation>(from.get<u32>());
    if (std::ranges::find(kGenerations, header.generation, &GenerationInfo::id) == std::end(kGenerations))
        from.fail("is of a generation that this build does not know");
    header.seed = from.get<u64>();
    header.step = from.get<u64>();
    header.profile = from.get_string();
    header.ledger = get_ledger(from);
    get_counts(from, header.sites, kSites);
    return header;
}

/// Checks magic, version, size and checksum; returns what is between the preamble and the checksum.
ByteReader checked_body(std::span<const u8> file, const std::string& what) {
    ByteReader preamble(file, what);
    const auto magic = std::span(file).first(std::min<u64>(file.size(), kMagic.size()));
    if (!std::equal(magic.begin(), magic.end(), kMagic.begin())) preamble.fail("is not a saved machine");
    preamble.get_bytes(kMagic.size());
    if (const u32 version = preamble.get<u32>(); version != kVersion)
        preamble.fail("has version " + std::to_string(version) + ", this build reads version " +
                      std::to_string(kVersion));
    const u32 zero = preamble.get<u32>();
    const u64 size = preamble.get<u64>();
    if (file.size() < size)
        preamble.fail("is cut off: " + std::to_string(file.size()) + " of " + std::to_string(size) + " bytes");
    if (file.size() > size || size < kPreambleBytes + kChecksumBytes || zero != 0) preamble.fail("is damaged");
    const u64 hashed = size - kChecksumBytes;
    if (ByteReader(file.subspan(hashed), what).get<u64>() != XXH3_64bits(file.data(), hashed))
        preamble.fail("is damaged: its checksum does not match");
    return {file.subspan(kPreambleBytes, hashed - kPreambleBytes), what};
}

bool is_frame_of(std::span<const PhysRange> ram, u64 frame) {
    return std::ranges::any_of(ram, [&](const PhysRange& r) {
        return frame >= r.start.value >> kFrameShift && frame < r.end().value >> kFrameShift;
    });
}

}  // namespace

void save_machine(const std::filesystem::path& path, const SavedHeader& header, const SavedComponents& components,
                  PhysicalMemory& memory) {
    ByteWriter file;
    for (const char c : kMagic) file.put(static_cast<u8>(c));
    file.put(kVersion);
    file.put(u32{0});
    file.put(u64{0});  // the size, below
    put_header(file, header);
    file.put(memory.background());
    file.put(static_cast<u32>(memory.ranges().size()));
    for (const PhysRange& r : memory.ranges()) {
        file.put(r.start.value);
        file.put(r.size);
    }
    const std::vector<u8> ram = compress_ram(memory);
    file.put(u64{ram.size()});
    file.put_bytes(ram);
    file.put(static_cast<u32>(components.size()));
    for (const auto& [name, bytes] : components) {
        file.put_string(name);
        file.put(u64{bytes.size()});
        file.put_bytes(bytes);
    }
    file.set_u64(kSizeOffset, file.size() + kChecksumBytes);
    file.put(u64{XXH3_64bits(file.bytes().data(), file.size())});
    write_file_atomically(path, file.bytes());
}

SavedMachine SavedMachine::read(const std::filesystem::path& path) {
    return {read_whole_file(path), "'" + path.string() + "'"};
}

SavedMachine::SavedMachine(std::vector<u8> bytes, const std::string& name) : name_(name) {
    ByteReader body = checked_body(bytes, name_);
    header_ = get_header(body);
    background_ = body.get<u8>();
    for (u32 n = body.get<u32>(); n > 0; --n) {
        const u64 start = body.get<u64>();
        const u64 size = body.get<u64>();
        // The same rules as those of PhysicalMemory, which will be built from this.
        if (((start | size) & (kFrameSize - 1)) != 0 || size == 0 || start > PhysicalMemory::kAddressEnd ||
            size > PhysicalMemory::kAddressEnd - start || (!ram_.empty() && PhysAddr{start} <= ram_.back().end()) ||
            ram_.size() == platform::RamView::kRangesMax)
            body.fail("has RAM ranges that make no machine");
        ram_.push_back({{start}, size});
    }
    if (ram_.empty()) body.fail("has no RAM");
    const std::span<const u8> compressed = body.get_bytes(body.get<u64>());
    compressed_ram_.assign(compressed.begin(), compressed.end());
    for (u32 n = body.get<u32>(); n > 0; --n) {
        std::string component = body.get_string();
        const std::span<const u8> content = body.get_bytes(body.get<u64>());
        components_[std::move(component)].assign(content.begin(), content.end());
    }
    body.expect_end();
    // Now, so that load_ram cannot stop in the middle.
    decompress_ram(
        compressed_ram_, name_, [this](u64 frame) { return is_frame_of(ram_, frame); }, [](u64, const u8*) {});
}

void SavedMachine::load_ram(PhysicalMemory& memory) const {
    if (!std::ranges::equal(memory.ranges(), ram_)) throw SaveError(name_ + " is of a machine with other RAM");
    if (memory.background() != background_) memory.fill_pattern(background_);
    std::vector<u64> written;
    memory.ever().for_each([&](u64 frame) { written.push_back(frame); });
    for (const u64 frame : written) memory.set_frame(frame, nullptr);
    decompress_ram(
        compressed_ram_, name_, [](u64) { return true; },
        [&](u64 frame, const u8* bytes) { memory.set_frame(frame, bytes); });
}

ByteReader SavedMachine::component(std::string_view name) const {
    const auto found = components_.find(name);
    if (found == components_.end()) throw SaveError(name_ + " has no '" + std::string(name) + "'");
    return {found->second, name_ + ": its '" + found->first + "'"};
}

}  // namespace baton::sim
