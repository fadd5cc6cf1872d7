// SPDX-License-Identifier: GPL-2.0-only
// Steps that drive Kexec HandOver (docs/specs/kho.md §1.10).
#include "model/kho/kho.hpp"
#include "scenarios/engine/limits.hpp"
#include "scenarios/engine/steps.hpp"

namespace baton::scenarios {
namespace {

step::Action parse_preserve(Fields& fields, const StepContext&) { return step::Preserve{parse_range(fields)}; }
step::Action parse_unpreserve(Fields& fields, const StepContext&) { return step::Unpreserve{parse_range(fields)}; }
step::Action parse_restore(Fields& fields, const StepContext&) { return step::Restore{parse_range(fields)}; }
step::Action parse_finalise(Fields&, const StepContext&) { return step::Finalise{}; }
step::Action parse_abort(Fields&, const StepContext&) { return step::Abort{}; }

std::optional<u64> parse_blob_bytes(Fields& fields) { return fields.size("size", 1, kBlobBytesMax); }

step::Action parse_subtree_add(Fields& fields, const StepContext&) {
    return step::SubtreeAdd{fields.name("name").value_or(""), parse_range(fields), parse_blob_bytes(fields),
                            fields.integer("count", 1, kSubtreesMax).value_or(1)};
}
step::Action parse_subtree_get(Fields& fields, const StepContext&) {
    step::SubtreeGet get{fields.name("name").value_or(""), {}, parse_blob_bytes(fields)};
    if (fields.has("region") || fields.has("phys") || fields.has("first")) get.range = parse_range(fields);
    return get;
}

inline constexpr u64 kTestKhoBytes = 8 * kMiB;  // twice the largest buddy block of 4K pages, as upstream's default
step::Action parse_test_kho_save(Fields& fields, const StepContext&) {
    return step::TestKhoSave{fields.size("size", 1, kGiB).value_or(kTestKhoBytes)};
}
step::Action parse_test_kho_restore(Fields&, const StepContext&) { return step::TestKhoRestore{}; }

std::vector<StepKey> range_keys() { return {std::begin(kRangeKeys), std::end(kRangeKeys)}; }

/// The range keys that say where a blob begins, after the subtree's name.
std::vector<StepKey> subtree_keys() {
    return {{"name", "name", "of the child node", true},
            kRangeKeys[0],
            kRangeKeys[1],
            kRangeKeys[2],
            {"size", "size", "bytes of the blob, which kho-v3 hands on; to add, a page if not given"}};
}

std::vector<StepKey> subtree_add_keys() {
    std::vector<StepKey> keys = subtree_keys();
    keys.push_back({"count", "integer", "that many, called name-0, name-1, …; 1, called name"});
    return keys;
}

}  // namespace

std::span<const StepKind> kho_steps() {
    static const std::vector<StepKind> kKinds = {
        {"preserve", StepActor::kCommand, "hand memory over", range_keys(), parse_preserve},
        {"unpreserve", StepActor::kCommand, "take that back", range_keys(), parse_unpreserve},
        {"restore", StepActor::kCommand, "turn memory that was handed over into ordinary user memory", range_keys(),
         parse_restore},
        {"finalise", StepActor::kCommand, "freeze and serialise what is preserved", {}, parse_finalise},
        {"abort", StepActor::kCommand, "take finalise back", {}, parse_abort},
        {"subtree_add", StepActor::kCommand, "add a child to the root FDT", subtree_add_keys(), parse_subtree_add},
        {"subtree_get", StepActor::kCommand,
         "look a child of the incoming FDT up; given a range, it must start there, and with a size be so large",
         subtree_keys(), parse_subtree_get},
        {"test_kho_save",
         StepActor::kCommand,
         "upstream's test: folios of random orders and content, their list and a checksum",
         {{"size", "size", "bytes of folios at most; 8M"}},
         parse_test_kho_save},
        {"test_kho_restore",
         StepActor::kCommand,
         "its other half: takes all back and compares the checksum",
         {},
         parse_test_kho_restore},
    };
    return kKinds;
}

}  // namespace baton::scenarios
