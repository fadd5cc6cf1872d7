// SPDX-License-Identifier: GPL-2.0-only
#include "sim/native/relocator.hpp"

#include <nettle/sha2.h>
#include <xxhash.h>

#include "model/image_header.hpp"
#include "model/kexec/kexec.hpp"
#include "model/kexec/purgatory.hpp"
#include "model/ram.hpp"
#include "model/rules.hpp"

namespace baton::sim {
namespace {

void move_page(const platform::Jump& jump, PhysAddr to, PhysAddr from) {
    if (jump.three_way_swap) {
        ram::copy(jump.swap_page, from, jump.page_size);
        ram::copy(from, to, jump.page_size);
        ram::copy(to, jump.swap_page, jump.page_size);
        platform::charge(Work::kPagesSwapped, 1);
    } else {
        ram::copy(to, from, jump.page_size);
        platform::charge(Work::kPagesCopied, 1);
    }
}

// The cursor of a walk: both ISAs keep these two, and start them at 0.
struct Walk {
    PhysAddr destination;
    PhysAddr list;
};

void source(const platform::Jump& jump, Walk& walk, PhysAddr address) {
    move_page(jump, walk.destination, address);
    platform::at(Site::kRelocatePage, walk.destination.value, address.value);
    walk.destination += jump.page_size;
}

u64 next_word(Walk& walk) {
    const u64 word = ram::load<u64>(walk.list);
    walk.list += sizeof(u64);
    platform::charge(Work::kEntriesWalked, 1);
    return word;
}

// Tests bit 0, then 1, then 2, then 3; a word with none is skipped (specs/kexec.md §2).
void walk_x86_64(const platform::Jump& jump) {
    Walk walk;
    for (u64 word = jump.head;; word = next_word(walk)) {
        const PhysAddr address{word & ~(jump.page_size - 1)};
        if (word & kEntryDestination)
            walk.destination = address;
        else if (word & kEntryIndirection)
            walk.list = address;
        else if (word & kEntryDone)
            return;
        else if (word & kEntrySource)
            source(jump, walk, address);
    }
}

// SOURCE, INDIRECTION, DESTINATION; DONE is looked for in the word just fetched.
void walk_aarch64(const platform::Jump& jump) {
    Walk walk;
    for (u64 word = jump.head; (word & kEntryDone) == 0; word = next_word(walk)) {
        const PhysAddr address{word & ~(jump.page_size - 1)};
        if (word & kEntrySource)
            source(jump, walk, address);
        else if (word & kEntryIndirection)
            walk.list = address;
        else if (word & kEntryDestination)
            walk.destination = address;
    }
}

Fault corrupted(PhysAddr where, ImageCheck check) {
    return {.kind = Fault::Kind::kImageCorrupted, .args = {where.value, check, 0}};
}

bool purgatory_code_intact(PhysAddr blob, const kexec::PurgatoryHeader& header) {
    const u64 bytes = header.code_end - kexec::kPurgatoryEntryOffset;
    return XXH3_64bits(ram::read<u8>(blob + kexec::kPurgatoryEntryOffset, bytes), bytes) == header.code_xxh3;
}

}  // namespace

Entry relocate(Isa isa, const platform::Jump& jump) {
    platform::at(Site::kRelocateStart, jump.head, jump.start.value);
    if (isa == Isa::kX86_64)
        walk_x86_64(jump);
    else
        walk_aarch64(jump);
    platform::at(Site::kRelocateDone);
    return {jump.start, jump.argument};
}

std::expected<kexec::PurgatoryHeader, Fault> check_purgatory(PhysAddr entry) {
    const PhysAddr blob = entry - kexec::kPurgatoryEntryOffset;
    const auto header = ram::load<kexec::PurgatoryHeader>(blob);
    if (header.magic != kexec::kPurgatoryMagic || header.code_end > header.size ||
        header.code_end < kexec::kPurgatoryEntryOffset)
        return std::unexpected(corrupted(blob, kPurgatoryMagicWrong));
    if (!purgatory_code_intact(blob, header)) return std::unexpected(corrupted(blob, kPurgatoryCodeCorrupted));
    return header;
}

std::expected<Entry, Fault> run_purgatory(const Entry& entry) {
    platform::at(Site::kPurgatoryStart, entry.address.value);
    const PhysAddr blob = entry.address - kexec::kPurgatoryEntryOffset;
    const auto checked = check_purgatory(entry.address);
    if (!checked) return std::unexpected(checked.error());
    const kexec::PurgatoryHeader& header = *checked;

    sha256_ctx sha;
    sha256_init(&sha);
    for (u32 i = 0; i < kexec::kPurgatoryRegions; ++i) {
        const auto region =
            ram::load<kexec::PurgatoryRegion>(blob + header.regions + i * sizeof(kexec::PurgatoryRegion));
        if (region.bytes == 0) continue;
        sha256_update(&sha, region.bytes, ram::read<u8>(region.start, region.bytes));
        platform::charge(Work::kBytesHashed, region.bytes);
        platform::at(Site::kPurgatoryRegion, region.start.value, region.bytes);
    }
    u8 digest[SHA256_DIGEST_SIZE];
    sha256_digest(&sha, sizeof(digest), digest);
    if (!ram::equal(blob + header.digest, digest, sizeof(digest)))
        return std::unexpected(Fault{.kind = Fault::Kind::kPurgatoryLoop, .args = {blob.value, 0, 0}});
    platform::at(Site::kPurgatoryDone);
    const u64* registers = ram::read<u64>(blob + header.registers, kexec::kPurgatoryRegisters);
    return Entry{{registers[kexec::kRip]}, registers[kexec::kRsi]};
}

std::expected<FoundImage, Fault> check_image(Isa isa, const Entry& entry) {
    const bool x86 = isa == Isa::kX86_64;
    const PhysAddr image = x86 ? entry.address - kEntryOffsetX86 : entry.address;
    const PhysAddr at = image + (x86 ? kImageHeaderOffsetX86 : kImageHeaderOffsetArm);
    const auto header = ram::load<ImageHeader>(at);
    if (header.magic != kImageMagic || header.version != 1) return std::unexpected(corrupted(image, kImageMagicWrong));
    if (header.isa != static_cast<u32>(isa) || header.geometry >= std::size(kGeometries) ||
        geometry_of(static_cast<GeometryId>(header.geometry)).isa != isa)
        return std::unexpected(corrupted(image, kImageIsaWrong));
    if (header.kernel_offset != kKernelOffset || header.image_size != kImageSize ||
        header.text_offset > header.image_size || header.text_size > header.image_size - header.text_offset)
        return std::unexpected(corrupted(image, kImageFieldsWrong));
    if (!known_generation(header.generation)) return std::unexpected(corrupted(image, kImageGenerationUnknown));
    const u8* text = ram::read<u8>(image + header.text_offset, header.text_size);
    if (XXH3_64bits(text, header.text_size) != header.text_xxh3)
        return std::unexpected(corrupted(image, kImageTextCorrupted));
    ram::read<u8>(image, header.image_size);  // all of it must be RAM
    return FoundImage{image, at, entry.argument, header.file_size};
}

std::expected<FoundImage, Fault> find_image(Isa isa, const Entry& entry) {
    const auto found = check_image(isa, entry);
    if (found && isa == Isa::kX86_64) {
        platform::at(Site::kDecompress, found->image.value, entry.argument);
        platform::charge(Work::kBytesDecompressed, found->file_size);
    }
    return found;
}

std::string_view describe(ImageCheck check) {
    switch (check) {
        case kImageMagicWrong: return "no Baton image header there";
        case kImageIsaWrong: return "the image is for another ISA or page size";
        case kImageFieldsWrong: return "the image header's offsets are impossible";
        case kImageGenerationUnknown: return "the image header names an unknown generation";
        case kImageTextCorrupted: return "the kernel text does not hash to what its header says";
        case kPurgatoryMagicWrong: return "no purgatory there";
        case kPurgatoryCodeCorrupted: return "the purgatory's code was changed";
    }
    return "unknown check";
}

}  // namespace baton::sim
