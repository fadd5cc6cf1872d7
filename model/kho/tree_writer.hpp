// SPDX-License-Identifier: GPL-2.0-only
// Writing a device tree front to back, with libfdt's sequential interface, whose layout golden bytes pin (kho.md §2.1).
//
// A tree is written in one stretch, without a schedule point in between: libfdt keeps its state in the half-made tree,
// and nobody may see or touch that.
#pragma once

#include <libfdt.h>

#include "model/ram.hpp"

namespace baton::kho {

/// Threads one libfdt error through a sequence of calls: after the first failure nothing more is written.
class TreeWriter {
public:
    TreeWriter(PhysAddr at, u64 bytes) : tree_(ram::write<u8>(at, bytes)) {
        step(fdt_create(tree_, static_cast<int>(bytes)));
        if (error_ == 0) step(fdt_finish_reservemap(tree_));
    }
    void begin(const char* name) {
        if (error_ == 0) step(fdt_begin_node(tree_, name));
    }
    void string(const char* name, const char* value) {
        if (error_ == 0) step(fdt_property_string(tree_, name, value));
    }
    /// Native bytes.
    template <ram_resident T>
    void value(const char* name, const T& v) {
        if (error_ == 0) step(fdt_property(tree_, name, &v, sizeof v));
    }
    void end() {
        if (error_ == 0) step(fdt_end_node(tree_));
    }
    Result<u64> finish() {
        if (error_ == 0) step(fdt_finish(tree_));
        if (error_ != 0) return fail(Errno::kENOMEM);
        const u64 bytes = fdt_totalsize(tree_);
        platform::charge(Work::kFdtBytes, bytes);
        return bytes;
    }

private:
    void step(int result) { error_ = result; }
    u8* tree_;
    int error_ = 0;
};

}  // namespace baton::kho
