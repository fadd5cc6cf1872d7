// SPDX-License-Identifier: GPL-2.0-only
// A kernel image file in host memory: a bzImage or an AArch64 Image that carries an ImageHeader (decisions D11, D34).
//
// Generation, kexec base, options and defects are patched into the file's bytes before anybody loads them, so they
// travel inside the digest and a guest reads the same header.
#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/geometry.hpp"
#include "model/image_header.hpp"
#include "model/rules.hpp"

namespace baton::sim {

/// A file that is no usable kernel image; the message is a sentence for a person and names the file.
class ImageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What kind of kernel an image shall be.
struct ImageConfig {
    Generation generation = Generation::k6_18;
    KexecBase kexec_base = KexecBase::k6_14;
    u64 cma_align_bytes = 0;  // a power of two of at least a page; 0 = the pageblock of the geometry
    u32 options = 0;          // ImageOption bits
    std::array<u64, 2> defects{};
};

class ImageFile {
public:
    /// Reads and checks a file. Throws ImageError.
    static ImageFile load(const std::filesystem::path& path);
    /// The same for bytes in memory; `name` stands for the file in messages.
    static ImageFile parse(std::vector<u8> bytes, const std::string& name);

    /// Patches the header. Throws ImageError for a CMA alignment that makes no sense.
    void configure(const ImageConfig& config);

    GeometryId geometry() const { return static_cast<GeometryId>(header().geometry); }
    Isa isa() const { return geometry_of(geometry()).isa; }
    ImageHeader header() const;
    /// The whole file, as kexec_file_load gets it.
    std::span<const u8> bytes() const { return bytes_; }
    /// What a boot loader copies to memory: without the real-mode part on x86-64.
    std::span<const u8> payload() const { return std::span(bytes_).subspan(payload_offset_); }

private:
    ImageFile(std::vector<u8> bytes, u64 payload_offset, u64 header_offset)
        : bytes_(std::move(bytes)), payload_offset_(payload_offset), header_offset_(header_offset) {}

    std::vector<u8> bytes_;
    u64 payload_offset_;
    u64 header_offset_;  // of the ImageHeader, from the first byte of the file
};

}  // namespace baton::sim
