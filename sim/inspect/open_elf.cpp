// SPDX-License-Identifier: GPL-2.0-only
// ELF dumps of physical memory: QEMU's dump-guest-memory, /proc/vmcore, makedumpfile -E. PT_LOAD segments by their
// physical address, in any order; a segment may reach behind the end of a file that was cut off.
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>

#include "sim/input_error.hpp"
#include "sim/inspect/source.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kHeadersMax = u64{1} << 20;
inline constexpr u64 kNotesBytesMax = 1 * kMiB;

class ElfDump {
public:
    ElfDump(const ElfReader& elf, const std::string& file, Source& source) : elf_(elf), file_(file), out_(source) {}

    void run() {
        read_header();
        const std::vector<Elf64_Phdr> headers = read_program_headers();
        bool any = false;
        for (const Elf64_Phdr& p : headers) {
            if (p.p_type == PT_NOTE) read_notes(p);
            if (p.p_type != PT_LOAD) continue;
            any = true;
            load(p);
        }
        if (!any) fail("has no PT_LOAD segment: it dumps no memory");
    }

private:
    [[noreturn]] void fail(const std::string& what, const std::string& hint = {}) const {
        throw InputError(file_, what, hint);
    }
    template <class T>
    T get(u64 offset, const char* what) const {
        T v{};
        if (!elf_.read(offset, {reinterpret_cast<u8*>(&v), sizeof(v)})) fail(fmt::format("ends inside {}", what));
        return v;
    }

    void read_header() {
        header_ = get<Elf64_Ehdr>(0, "the ELF header");
        if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0) fail("is not an ELF file");
        if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB)
            fail("is not a little-endian ELF64 file", "a dump of a 64-bit machine");
        if (header_.e_machine == EM_X86_64)
            out_.isa = Isa::kX86_64;
        else if (header_.e_machine == EM_AARCH64)
            out_.isa = Isa::kAArch64;
        else
            fail(fmt::format("is of machine {}", header_.e_machine), "x86-64 (62) or AArch64 (183)");
        if (header_.e_type != ET_CORE)
            fail(fmt::format("is of ELF type {}, not a core dump", header_.e_type), "a dump of physical memory");
    }

    std::vector<Elf64_Phdr> read_program_headers() {
        u64 count = header_.e_phnum;
        // More than fit the field: the count is in the first section header.
        if (count == PN_XNUM) count = get<Elf64_Shdr>(header_.e_shoff, "its section header").sh_info;
        if (header_.e_phentsize != sizeof(Elf64_Phdr))
            fail(fmt::format("has program headers of {} bytes, not {}", header_.e_phentsize, sizeof(Elf64_Phdr)));
        if (count == 0 || count > kHeadersMax) fail(fmt::format("has {} program headers", count));
        std::vector<Elf64_Phdr> headers(count);
        if (!elf_.read(header_.e_phoff, {reinterpret_cast<u8*>(headers.data()), count * sizeof(Elf64_Phdr)}))
            fail(fmt::format("ends inside its {} program headers", count));
        return headers;
    }

    void load(const Elf64_Phdr& p) {
        if (p.p_filesz == 0) return;
        if (p.p_paddr >= kPhysEnd || p.p_filesz > kPhysEnd - p.p_paddr)
            fail(fmt::format("has a segment of {:#x} bytes at physical {:#x}", p.p_filesz, p.p_paddr),
                 "a dump of physical memory: with p_paddr, as QEMU's dump-guest-memory without paging writes it");
        u64 size = p.p_filesz;
        const u64 there = p.p_offset < elf_.size ? elf_.size - p.p_offset : 0;
        if (size > there) {
            out_.warnings.push_back(
                {WarningId::kSourceTruncated, PhysAddr{p.p_paddr} + there,
                 fmt::format("the file ends {:#x} bytes into the {:#x} at {:#x}", there, size, p.p_paddr)});
            size = there;
            if (size == 0) return;
        }
        elf_.add({p.p_paddr}, p.p_offset, size);
    }

    void read_notes(const Elf64_Phdr& p) {
        if (p.p_filesz < sizeof(Elf64_Nhdr) || p.p_filesz > kNotesBytesMax) return;
        std::vector<u8> notes(p.p_filesz);
        if (!elf_.read(p.p_offset, notes)) return;
        for (u64 at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
            Elf64_Nhdr n;
            std::memcpy(&n, notes.data() + at, sizeof(n));
            const u64 name = at + sizeof(n);
            const u64 desc = name + (u64{n.n_namesz} + 3) / 4 * 4;
            const u64 end = desc + (u64{n.n_descsz} + 3) / 4 * 4;
            if (desc + n.n_descsz > notes.size()) return;
            const auto* chars = reinterpret_cast<const char*>(notes.data());
            if (std::string_view(chars + name, n.n_namesz).starts_with("VMCOREINFO"))
                read_vmcoreinfo({chars + desc, n.n_descsz});
            at = end;
        }
    }

    /// KEY=value lines that the dumped kernel wrote about itself.
    void read_vmcoreinfo(std::string_view text) {
        while (!text.empty()) {
            const std::string_view line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(line.size() + 1, text.size()));
            if (line.starts_with("OSRELEASE=")) out_.remark = fmt::format("Linux {}", printable(line.substr(10)));
            if (!line.starts_with("PAGESIZE=")) continue;
            u64 size = 0;
            std::from_chars(line.data() + 9, line.data() + line.size(), size);
            for (u32 shift : {12u, 14u, 16u})
                if (size == u64{1} << shift) out_.page_shift = shift;
        }
    }
    static std::string printable(std::string_view text) {
        std::string out(text.substr(0, 64));
        std::ranges::replace_if(out, [](char c) { return c < ' ' || c > '~'; }, '?');
        return out;
    }

    const ElfReader& elf_;
    const std::string& file_;
    Source& out_;
    Elf64_Ehdr header_{};
};

}  // namespace

void read_elf(const ElfReader& elf, const std::string& file, Source& source) { ElfDump(elf, file, source).run(); }

Source open_elf(const std::filesystem::path& path) {
    Source out;
    out.name = path.string();
    out.kind = "ELF dump";
    const auto file = std::make_shared<FileBytes>(path);
    const ElfReader elf{[&](u64 offset, std::span<u8> to) { return file->read(offset, to); }, file->size(),
                        [&](PhysAddr at, u64 offset, u64 size) { out.memory.add_file(at, file, offset, size); }};
    read_elf(elf, out.name, out);
    // /proc/vmcore has the kernel's text twice, a dump with paging has every mapping: the same bytes again.
    if (const auto overlap = out.memory.seal())
        out.warnings.push_back({WarningId::kSourceOverlap, overlap->second.start,
                                fmt::format("segments at {:#x} and {:#x} overlap", overlap->first.start.value,
                                            overlap->second.start.value)});
    return out;
}

}  // namespace baton::sim
