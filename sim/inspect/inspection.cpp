// SPDX-License-Identifier: GPL-2.0-only
#include "sim/inspect/inspection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "sim/input_error.hpp"
#include "sim/inspect/find.hpp"

namespace baton::sim {
namespace {

inline constexpr u64 kCommandLineMax = 4096;

class Inspector {
public:
    Inspector(Source source, const InspectOptions& options) : options_(options) {
        out_.source = std::move(source);
        read_ = [this](PhysAddr a, std::span<u8> to) { return out_.source.memory.read(a, to); };
    }

    Inspection run() {
        take(std::move(out_.source.warnings));
        locate();
        check_boot_record();
        choose_page_size();
        out_.ram_known = !out_.source.ram.empty();
        out_.ram = out_.ram_known ? out_.source.ram : out_.source.memory.ranges();
        // Only a map tells what is outside RAM: a dump may hold a part of it.
        DecodeOptions decode{.page_shift = out_.page_shift, .doubt = true, .ram = out_.source.ram};
        choose_format(decode);
        Examination e = examine(out_.boot, decode, !out_.source.live, options_.contents, read_, out_.warnings);
        out_.handover = std::move(e.handover);
        out_.users = std::move(e.users);
        require_root();
        name_generation();
        out_.metadata = metadata_of(out_.handover, out_.users, out_.page_shift);
        read_command_line();
        compare_with_expectation();
        count_absent();
        return std::move(out_);
    }

private:
    void warn(WarningId id, PhysAddr at, std::string text) { out_.warnings.push_back({id, at, std::move(text)}); }
    void take(std::vector<Warning> warnings) {
        for (Warning& w : warnings) out_.warnings.push_back(std::move(w));
    }

    void locate() {
        Source& s = out_.source;
        if (options_.fdt) {
            out_.boot.fdt = *options_.fdt;
            out_.found = "given";
            look_for_record();
        } else if (s.stated.fdt.value != 0) {
            out_.boot = s.stated;
            out_.found = s.kind == "capture" ? "manifest" : "its kernel";
        } else {
            find();
        }
        if (!options_.scratch) return;
        out_.boot.scratch = options_.scratch->start;
        out_.boot.scratch_bytes = options_.scratch->size;
    }
    /// The record in memory that hands over the root FDT which was given: it knows the scratch array.
    void look_for_record() {
        for (const FoundHandover& f : find_handovers(out_.source, options_.fdt)) {
            if (f.boot.record.empty()) continue;
            const auto& given = options_.scratch;
            if (given && (given->start != f.boot.scratch || given->size != f.boot.scratch_bytes))
                warn(WarningId::kBootRecordMismatch, f.boot.scratch_field,
                     fmt::format("the scratch array handed over is {:#x} of {:#x} bytes, given is {:#x} of {:#x}",
                                 f.boot.scratch.value, f.boot.scratch_bytes, given->start.value, given->size));
            out_.boot = f.boot;
            return;
        }
    }
    void find() {
        std::vector<FoundHandover> found = find_handovers(out_.source);
        if (found.empty())
            throw InputError(out_.source.name, "holds no KHO handover: no tree that is compatible with \"kho-v…\"",
                             "if there is one, say where: --fdt ADDR --scratch ADDR,LEN");
        out_.boot = std::move(found.front().boot);
        out_.found = found.front().how;
        if (found.size() == 1) return;
        std::string others;
        for (u64 i = 1; i < std::min<u64>(found.size(), 8); ++i)
            others += fmt::format("{}{:#x}", i == 1 ? "" : ", ", found[i].boot.fdt.value);
        warn(WarningId::kSeveralHandovers, out_.boot.fdt,
             fmt::format("{} other root FDTs or boot records: {}", found.size() - 1, others));
    }

    /// What the boot protocol's data in memory says, against what was stated.
    void check_boot_record() {
        const Source& s = out_.source;
        std::optional<BootHandover> record;
        PhysAddr at{0};
        if (s.argument && s.isa) {
            at = *s.argument;
            record = read_boot_handover(*s.isa, at, read_);
        }
        if (!record && s.setup_data) {
            at = *s.setup_data;
            record = read_setup_data(at, read_);
        }
        if (record) {
            take(std::move(record->warnings));
            record->warnings.clear();
            if (record->fdt.value == 0 && record->record.empty()) {
                warn(WarningId::kBootRecordMissing, at,
                     fmt::format("the boot data at {:#x} has no handover", at.value));
            } else {
                if (!options_.fdt && agrees(*record)) out_.boot = *record;
            }
        }
        const u64 size = out_.boot.fdt_size;
        if (size != 0 && size != 4096 && size != 16384 && size != 65536)
            warn(WarningId::kBootFdtSize, out_.boot.fdt_field,
                 fmt::format("the root FDT is handed over with {:#x} bytes, which is no page size", size));
    }
    /// Whether the record says what was stated, if anything was. Where it does not, what was stated is inspected.
    bool agrees(const BootHandover& record) {
        const BootHandover& stated = out_.source.stated;
        if (stated.fdt.value == 0) return true;
        bool same = true;
        const auto compare = [&](PhysAddr at, const char* what, u64 is, u64 said) {
            if (is == said) return;
            same = false;
            warn(WarningId::kBootRecordMismatch, at,
                 fmt::format("{} handed over is {:#x}, stated is {:#x}", what, is, said));
        };
        compare(record.fdt_field, "the root FDT", record.fdt.value, stated.fdt.value);
        compare(record.fdt_field + 8, "the root FDT's size", record.fdt_size, stated.fdt_size);
        compare(record.scratch_field, "the scratch array", record.scratch.value, stated.scratch.value);
        compare(record.scratch_field + 8, "the scratch array's length", record.scratch_bytes, stated.scratch_bytes);
        return same;
    }

    void choose_page_size() {
        const u64 size = out_.boot.fdt_size;
        const bool handed = size == 4096 || size == 16384 || size == 65536;
        if (options_.page_shift)
            out_.page_shift = *options_.page_shift;
        else if (out_.source.page_shift)
            out_.page_shift = *out_.source.page_shift;
        else if (handed)
            out_.page_shift = static_cast<u32>(std::countr_zero(size));
    }

    void choose_format(DecodeOptions& decode) {
        const bool given = !options_.generation.empty();
        const std::string& name = given ? options_.generation : out_.source.generation;
        if (name.empty()) return;
        decode.format = format_named(name);
        decode.reason = given ? "given" : "stated";
        if (decode.format == nullptr)
            warn(WarningId::kGenerationUnknown, out_.boot.fdt, fmt::format("generation \"{}\" is not known", name));
    }

    /// An address that a person gave and where nothing is is a slip of that person.
    void require_root() {
        if (!options_.fdt || !out_.handover.root_fdt.bytes.empty()) return;
        std::string why = "there is no root FDT";
        for (const Warning& w : out_.handover.warnings)
            if (w.id == WarningId::kFdtAbsent || w.id == WarningId::kFdtBroken) why = w.text;
        throw InputError(out_.source.name, fmt::format("--fdt {:#x}: {}", options_.fdt->value, why),
                         "the physical address of the root FDT; without --fdt it is looked for");
    }

    void name_generation() {
        const Handover& h = out_.handover;
        const std::string& stated = options_.generation.empty() ? out_.source.generation : options_.generation;
        if (h.format == nullptr) {
            out_.generation = stated;
            out_.generation_reason = stated.empty() ? "unknown" : "stated; nothing confirms it";
            return;
        }
        // As it was stated, if it was and holds: "6.19" stays so.
        const HandoverFormat* named = format_named(stated);
        out_.generation = named == h.format ? stated : h.format->generation;
        out_.generation_reason = h.format_reason;
    }

    void read_command_line() {
        if (!out_.source.cmdline) return;
        for (u64 i = 0; i < kCommandLineMax; ++i) {
            u8 c = 0;
            if (!read_(*out_.source.cmdline + i, {&c, 1}) || c == 0) return;
            out_.cmdline += static_cast<char>(c);
        }
    }

    void compare_with_expectation() {
        if (!out_.source.expect) return;
        std::vector<HandoverBlock> expected;
        for (const auto& [phys, order] : out_.source.expect->preserved) expected.push_back({phys, order});
        std::vector<HandoverBlock> blocks = out_.handover.blocks;
        std::ranges::sort(expected);
        std::ranges::sort(blocks);
        if (!expected.empty() && expected != blocks)
            warn(WarningId::kExpectDiffers, out_.handover.map,
                 fmt::format("the manifest expects {} blocks, there are {}, and they are not the same", expected.size(),
                             blocks.size()));
        std::vector<std::string> names = out_.source.expect->sub_fdts;
        std::vector<std::string> there;
        for (const HandoverSubtree& s : out_.handover.subtrees) there.push_back(s.name);
        std::ranges::sort(names);
        std::ranges::sort(there);
        if (!names.empty() && names != there)
            warn(WarningId::kExpectDiffers, out_.boot.fdt, "the manifest expects other subtrees");
    }

    /// A dump that leaves preserved memory out is worth a word; a capture always does.
    void count_absent() {
        if (out_.source.kind == "capture") return;
        u64 absent = 0;
        PhysAddr first{0};
        for (const HandoverBlock& b : out_.handover.blocks)
            if (!out_.source.memory.holds({b.phys, u64{1} << (b.order.value + out_.page_shift)}) && absent++ == 0)
                first = b.phys;
        if (absent != 0)
            warn(WarningId::kSourcePartial, first,
                 fmt::format("{} of {} blocks are not in the dump", absent, out_.handover.blocks.size()));
    }

    const InspectOptions& options_;
    Inspection out_;
    RamReader read_;
};

}  // namespace

bool Inspection::has_errors() const {
    return std::ranges::any_of(warnings, [](const Warning& w) { return info(w.id).severity == Severity::kError; });
}

Inspection inspect(Source source, const InspectOptions& options) { return Inspector(std::move(source), options).run(); }

Examination examine(const BootHandover& boot, const DecodeOptions& decode, bool array_is_segment, bool contents,
                    const RamReader& read, std::vector<Warning>& warnings) {
    Examination out;
    out.handover = decode_handover(boot, decode, read);
    for (const Warning& w : out.handover.warnings) warnings.push_back(w);
    const Coverage preserved = coverage_of(out.handover.blocks, decode.page_shift);
    WarningSink sink;
    out.users = read_users(out.handover, decode.page_shift, preserved, contents, read, sink);
    audit_handover({out.handover, out.users, preserved, decode.page_shift, decode.ram, array_is_segment}, sink);
    for (Warning& w : sink.take()) warnings.push_back(std::move(w));
    return out;
}

}  // namespace baton::sim
