// SPDX-License-Identifier: GPL-2.0-only
// baton_mkimage: writes a kernel image file, from a linked guest kernel or (without --elf) of filler. The same input
// gives the same bytes, everywhere and always.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include "firmware/mkimage/filler.hpp"
#include "firmware/mkimage/guest_image.hpp"

namespace {

using baton::Geometry;
using baton::GeometryId;

std::optional<GeometryId> geometry_for(const std::string& arch, const std::string& granule) {
    static const std::map<std::string, GeometryId> kArmGranules{
        {"4k", GeometryId::kAArch64_4K}, {"16k", GeometryId::kAArch64_16K}, {"64k", GeometryId::kAArch64_64K}};
    if (arch == "aarch64") return kArmGranules.at(granule);
    if (granule != "4k") return {};
    return GeometryId::kX86_64;
}

struct Inputs {
    std::string kernel;     // empty: filler
    std::string purgatory;  // empty: none
    unsigned variant = 0;   // of filler
};

baton::firmware::Kernel kernel_from(const Geometry& g, const Inputs& inputs) {
    namespace fw = baton::firmware;
    if (inputs.kernel.empty()) return fw::filler_kernel(g, inputs.variant);
    std::optional<fw::ElfFile> purgatory;
    if (!inputs.purgatory.empty()) purgatory.emplace(inputs.purgatory);
    return fw::guest_kernel(g, fw::ElfFile(inputs.kernel), purgatory);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Writes a Baton kernel image file.", "baton_mkimage");
    std::string arch;
    std::string granule = "4k";
    std::string output;
    Inputs inputs;
    app.add_option("--arch", arch, "ISA of the kernel")->required()->check(CLI::IsMember({"x86_64", "aarch64"}));
    app.add_option("--granule", granule, "page size")->check(CLI::IsMember({"4k", "16k", "64k"}));
    app.add_option("--elf", inputs.kernel, "linked guest kernel")->check(CLI::ExistingFile);
    app.add_option("--purgatory", inputs.purgatory, "linked purgatory (x86_64)")->check(CLI::ExistingFile);
    app.add_option("--variant", inputs.variant, "without --elf: which filler")->check(CLI::Range(0, 255));
    app.add_option("--output", output, "file to write")->required();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? 0 : 2;
    }
    const auto geometry = geometry_for(arch, granule);
    if (!geometry) {
        fmt::print(stderr, "baton_mkimage: x86_64 has 4k pages only\n");
        return 2;
    }
    const Geometry& g = baton::geometry_of(*geometry);
    baton::firmware::Bytes bytes;
    try {
        bytes = baton::firmware::build_image_file(g, kernel_from(g, inputs));
    } catch (const baton::firmware::ElfError& e) {
        fmt::print(stderr, "baton_mkimage: {}\n", e.what());
        return 3;
    }
    std::ofstream file(output, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) {
        fmt::print(stderr, "baton_mkimage: cannot write {}\n", output);
        return 3;
    }
    return 0;
}
