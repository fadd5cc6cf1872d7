// SPDX-License-Identifier: GPL-2.0-only
#include "firmware/mkimage/guest_image.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace baton::firmware {
namespace {

// Offsets of symbols from a base address.
class Offsets {
public:
    Offsets(const ElfFile& elf, u64 base) : elf_(elf), base_(base) {}
    u64 operator()(const std::string& name) const { return elf_.symbol(name) - base_; }
    void expect(const std::string& name, u64 offset) const {
        if ((*this)(name) != offset)
            throw ElfError(fmt::format("{} is at {:#x} of the image, but model/image_header.hpp says {:#x}", name,
                                       (*this)(name), offset));
    }

private:
    const ElfFile& elf_;
    u64 base_;
};

struct Label {
    ImageLabel label;
    const char* symbol;
};
constexpr Label kRelocateLabels[] = {
    {kLabelRelocateStart, "relocate_label_start"},
    {kLabelRelocateWord, "relocate_label_word"},
    {kLabelRelocatePage, "relocate_label_page"},
    {kLabelRelocateDone, "relocate_label_done"},
};
// Offsets in the blob, which is linked at 0.
constexpr Label kPurgatoryLabels[] = {
    {kLabelPurgatoryStart, "purgatory_start"},
    {kLabelPurgatoryRegion, "purgatory_label_region"},
    {kLabelPurgatoryDone, "purgatory_label_done"},
    {kLabelPurgatoryLoop, "purgatory_label_loop"},
};

}  // namespace

Kernel guest_kernel(const Geometry& g, const ElfFile& kernel, const std::optional<ElfFile>& purgatory) {
    const u64 base = g.kernel_text_base;
    const Offsets at(kernel, base);
    at.expect("image_start", 0);
    at.expect("image_entry", g.isa == Isa::kX86_64 ? kEntryOffsetX86 : 0);
    if (g.isa == Isa::kX86_64) at.expect("image_moved", kMovedEntryOffsetX86);
    at.expect("kernel_object", kKernelOffset);
    at.expect("boot_stack", kBootStackOffset);
    at.expect("boot_stack_end", kImageSize);

    Kernel k{.bytes = kernel.loaded(base, kernel.symbol("file_end")),
             .text_offset = at("text_start"),
             .text_size = at("text_end") - at("text_start"),
             .relocate_offset = at("relocate_kernel"),
             .relocate_size = at("relocate_end") - at("relocate_kernel")};
    for (const Label& l : kRelocateLabels) k.labels[l.label] = static_cast<u32>(at(l.symbol) - k.relocate_offset);
    if (purgatory) {
        const Bytes blob = purgatory->loaded(0, purgatory->symbol("purgatory_blob_end"));
        k.purgatory_offset = at("purgatory_blob");
        k.purgatory_size = blob.size();
        if (blob.size() > k.bytes.size() - k.purgatory_offset) throw ElfError("the purgatory is larger than its room");
        std::copy(blob.begin(), blob.end(), k.bytes.begin() + static_cast<std::ptrdiff_t>(k.purgatory_offset));
        for (const Label& l : kPurgatoryLabels) k.labels[l.label] = static_cast<u32>(purgatory->symbol(l.symbol));
    }
    return k;
}

}  // namespace baton::firmware
