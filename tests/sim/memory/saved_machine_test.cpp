// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/saved_machine.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include <xxhash.h>

#include "sim/memory/atomic_file.hpp"
#include "sim/memory/snapshot.hpp"
#include "sim/random.hpp"
#include "tests/catch.hpp"

using namespace baton;
using namespace baton::sim;
namespace fs = std::filesystem;

namespace {

const std::vector<PhysRange> kRam = {{{0}, 0xa0000}, {{1 * kMiB}, 63 * kMiB}, {{4 * kGiB}, 16 * kMiB}};

class Folder {
public:
    Folder() : path_(fs::temp_directory_path() / ("baton-save-" + std::to_string(getpid()))) {
        fs::create_directory(path_);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }
    fs::path operator/(const char* name) const { return path_ / name; }
    std::ptrdiff_t files() const { return std::distance(fs::directory_iterator(path_), fs::directory_iterator()); }

private:
    fs::path path_;
};

SavedHeader example_header() {
    SavedHeader header;
    header.geometry = GeometryId::kAArch64_16K;
    header.generation = Generation::k6_16;
    header.seed = 0x1122334455667788;
    header.step = 12;
    header.profile = "generic";
    Ledger ledger(generic_profile());
    ledger.set_page_size(16384);
    for (const SiteInfo& site : kSites) {
        ledger.at(site.site);
        ledger.charge(Work::kPagesCopied, static_cast<u64>(site.site) + 1);
        ledger.charge(Work::kMmio, ~u64{0});  // more than 64 bits of picoseconds
        header.sites[static_cast<u32>(site.site)] = static_cast<u64>(site.site) % 5;
    }
    header.ledger = ledger.snapshot();
    return header;
}

const SavedComponents kComponents = {{"ownership", {1, 2, 3}}, {"nic0", {}}, {"events", std::vector<u8>(300, 9)}};

void write_example_ram(PhysicalMemory& memory) {
    CHECK(memory.store({0x5010}, u64{0x1234}));
    CHECK(memory.store({0x6010}, u64{0x5678}));  // a run of two
    CHECK(memory.store({0x8000}, u8{1}));
    CHECK(memory.store({0x8000}, u8{0}));                    // written, but as at power-on
    CHECK(memory.store({4 * kGiB + 16 * kMiB - 1}, u8{7}));  // the last byte
}

std::vector<u8> example_file(const Folder& folder) {
    PhysicalMemory memory(kRam);
    write_example_ram(memory);
    save_machine(folder / "x.sav", example_header(), kComponents, memory);
    return read_whole_file(folder / "x.sav");
}

void repair_checksum(std::vector<u8>& file) {
    const u64 sum = XXH3_64bits(file.data(), file.size() - 8);
    std::memcpy(file.data() + file.size() - 8, &sum, 8);
}

std::string message_of(const std::vector<u8>& file) {
    try {
        SavedMachine(file, "x.sav");
    } catch (const SaveError& e) {
        return e.what();
    }
    return "fine";
}

}  // namespace

TEST_CASE("saved machine: everything comes back") {
    const Folder folder;
    example_file(folder);
    const SavedMachine saved = SavedMachine::read(folder / "x.sav");
    CHECK(saved.header() == example_header());
    REQUIRE(std::ranges::equal(saved.ram(), kRam));
    for (const auto& [name, bytes] : kComponents) {
        ByteReader reader = saved.component(name);
        CHECK(std::ranges::equal(reader.get_bytes(bytes.size()), bytes));
        reader.expect_end();
    }
    CHECK_THROWS_WITH(saved.component("nic1"), Catch::Contains("x.sav' has no 'nic1'"));

    PhysicalMemory memory(saved.ram());
    CHECK(memory.store({0x123456}, u64{99}));  // not of the saved machine
    saved.load_ram(memory);
    PhysicalMemory expected(kRam);
    write_example_ram(expected);
    for (const PhysRange& r : kRam) CHECK(std::memcmp(memory.bytes(r), expected.bytes(r), r.size) == 0);
    CHECK(memory.ever().contains(5));
    CHECK_FALSE(memory.ever().contains(8));
    CHECK(folder.files() == 1);
}

TEST_CASE(
    "saved machine: random RAM comes back, over a power-on pattern too, and saving it again gives the same file") {
    const u8 background = GENERATE(u8{0}, u8{0xa5});
    const Folder folder;
    const PhysRange ram[] = {{{0}, 4 * kMiB}};
    PhysicalMemory memory(ram);
    if (background != 0) memory.fill_pattern(background);
    Random random(8, background);
    for (int i = 0; i < 200; ++i) {
        std::vector<u8> bytes(random.bounded(20000));
        for (u8& b : bytes) b = static_cast<u8>(random.next());
        REQUIRE(memory.write({random.bounded(4 * kMiB - bytes.size())}, bytes));
        for (u64 f = random.bounded(1000); random.bounded(3) != 0; ++f) memory.set_frame(f, nullptr);
    }
    save_machine(folder / "a.sav", {}, {}, memory);
    const SavedMachine saved = SavedMachine::read(folder / "a.sav");
    PhysicalMemory other(saved.ram());
    saved.load_ram(other);
    CHECK(std::memcmp(other.frame(0), memory.frame(0), 4 * kMiB) == 0);
    save_machine(folder / "b.sav", {}, {}, other);
    CHECK(read_whole_file(folder / "a.sav") == read_whole_file(folder / "b.sav"));
}

TEST_CASE("saved machine: every cut of a file is an error") {
    const Folder folder;
    const std::vector<u8> file = example_file(folder);
    REQUIRE(message_of(file) == "fine");
    for (std::size_t length = 0; length < file.size(); ++length) {
        CAPTURE(length);
        std::vector<u8> cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(length));
        REQUIRE(message_of(cut) != "fine");
        if (length < 40) continue;
        // And if its length and checksum claim that it is whole.
        const u64 size = length;
        std::memcpy(cut.data() + 16, &size, 8);
        repair_checksum(cut);
        REQUIRE(message_of(cut) != "fine");
    }
    CHECK(message_of({file.begin(), file.begin() + 100}) ==
          "x.sav is cut off: 100 of " + std::to_string(file.size()) + " bytes");
    std::vector<u8> longer = file;
    longer.push_back(0);
    CHECK(message_of(longer) == "x.sav is damaged");
}

TEST_CASE("saved machine: every flipped byte is an error") {
    const Folder folder;
    const std::vector<u8> file = example_file(folder);
    for (std::size_t i = 0; i < file.size(); ++i) {
        CAPTURE(i);
        std::vector<u8> flipped = file;
        flipped[i] ^= static_cast<u8>(1 + i % 255);
        REQUIRE(message_of(flipped) != "fine");
    }
}

TEST_CASE("saved machine: a hostile file with a right checksum loads or is an error, and never harms the host") {
    const Folder folder;
    const std::vector<u8> file = example_file(folder);
    Random random(12, 0);
    u64 fine = 0;
    for (std::size_t i = 24; i < file.size() - 8; ++i) {
        for (const u8 value : {u8{0}, u8{0xff}, static_cast<u8>(random.next())}) {
            std::vector<u8> hostile = file;
            hostile[i] = value;
            repair_checksum(hostile);
            try {
                const SavedMachine saved(std::move(hostile), "x.sav");
                if (!std::ranges::equal(saved.ram(), kRam)) continue;
                PhysicalMemory memory(saved.ram());
                saved.load_ram(memory);
                ++fine;
            } catch (const SaveError&) {
            }
        }
    }
    CHECK(fine > 100);  // seeds, counts and component bytes may be anything
}

TEST_CASE("saved machine: says what it cannot read") {
    const Folder folder;
    std::vector<u8> file = example_file(folder);
    CHECK(message_of({}) == "x.sav ends too early");
    CHECK(message_of({'B', 'A'}) == "x.sav ends too early");
    CHECK(message_of(std::vector<u8>(4096, 'A')) == "x.sav is not a saved machine");
    std::vector<u8> newer = file;
    newer[8] = 5;
    CHECK(message_of(newer) == "x.sav has version 5, this build reads version 4");
    file[file.size() - 20] ^= 1;
    CHECK(message_of(file) == "x.sav is damaged: its checksum does not match");

    std::vector<u8> other = example_file(folder);
    const std::string site = "kexec.load.placed";
    const auto at = std::ranges::search(other, site).begin();
    REQUIRE(at != other.end());
    *at = 'K';
    repair_checksum(other);
    CHECK(message_of(other) == "x.sav counts 'Kexec.load.placed', which this build does not know");

    CHECK_THROWS_WITH(SavedMachine::read(folder / "missing.sav"),
                      Catch::Contains("missing.sav': No such file or directory"));
    CHECK_THROWS_WITH(SavedMachine::read(folder / ""), Catch::Contains("Is a directory"));
}

TEST_CASE("saved machine: RAM of another shape is refused and keeps its content") {
    const Folder folder;
    const SavedMachine saved(example_file(folder), "x.sav");
    PhysicalMemory smaller{std::span(kRam).first(2)};
    CHECK(smaller.store({0x1000}, u8{42}));
    CHECK_THROWS_WITH(saved.load_ram(smaller), "x.sav is of a machine with other RAM");
    CHECK(smaller.load<u8>({0x1000}) == u8{42});
    CHECK(smaller.load<u64>({0x5010}) == u64{0});
}

TEST_CASE("saved machine: loading is a write for snapshots and other clients") {
    const Folder folder;
    const SavedMachine saved(example_file(folder), "x.sav");
    PhysicalMemory memory(kRam);
    RamSnapshots snapshots(memory);
    saved.load_ram(memory);
    const Snapshot loaded = snapshots.take();
    CHECK(loaded.page_count() == 3);
    snapshots.restore(Snapshot{});
    CHECK(memory.load<u64>({0x5010}) == u64{0});
}

TEST_CASE("atomic file: a write that fails leaves the old file and nothing else") {
    const Folder folder;
    const fs::path path = folder / "kept";
    const std::vector<u8> old = {1, 2, 3};
    write_file_atomically(path, old);
    write_file_atomically(path, old);

    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{4096, before.rlim_max};
    const auto handler = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    std::string message;
    try {
        write_file_atomically(path, std::vector<u8>(10000, 5));
    } catch (const SaveError& e) {
        message = e.what();
    }
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);

    CHECK(message == "cannot write '" + path.string() + "': File too large");
    CHECK(read_whole_file(path) == old);
    CHECK(folder.files() == 1);
    CHECK_THROWS_WITH(write_file_atomically(folder / "no/such", old), Catch::Contains("No such file or directory"));
    fs::create_directory(folder / "folder");
    CHECK_THROWS_AS(write_file_atomically(folder / "folder", old), SaveError);
    CHECK(folder.files() == 2);
}
