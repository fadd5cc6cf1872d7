// SPDX-License-Identifier: GPL-2.0-only
// The exclusion list of decision D4: frames in which a native kernel and the same kernel as machine code may differ.
//
// A guest keeps its stacks in RAM and a native kernel does not; the rest follows from that. A frame leaves the list
// only when a relocation puts other bytes there: memory that was a stack once is dirty until somebody writes all of it.
// With the three-way swap of 6.12 old content moves to where a source page was, and the frame's place in the list with
// it.
//
// The list is made from the schedule points of the run alone, so that two targets that agree on these have one list.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "model/sites.hpp"
#include "model/types.hpp"

namespace baton::sim {

class Machine;

enum class Unequal : u8 {
    kImageData,    // what firmware/ keeps behind the file's bytes: the tables it boots with; natively zero
    kBootStack,    // in the image, until the kernel's own stack is allocated
    kKernelStack,  // of CPU 0
    kControlPage,  // registers that the relocation code saves, and its stack (x86-64)
    kPurgatory,    // its stack and the state of its digest (x86-64)
};
std::string_view name(Unequal why);

struct UnequalRange {
    PhysRange range;
    Unequal why;
    bool operator==(const UnequalRange&) const = default;
};

class UnequalFrames {
public:
    /// A schedule point of `machine`, in the order they are passed.
    void pass(const Machine& machine, Site site, u64 arg0, u64 arg1);
    bool contains(u64 frame) const { return frames_.contains(frame); }
    u64 count() const { return frames_.size(); }
    /// The fewest, ascending.
    std::vector<UnequalRange> ranges() const;
    bool operator==(const UnequalFrames&) const = default;

private:
    void add(PhysRange range, Unequal why);
    void enter(const Machine& machine, PhysAddr image);
    u64 file_size(const Machine& machine, PhysAddr image) const;
    void move(PhysAddr to, PhysAddr from, u64 bytes);
    void relocate(const Machine& machine, PhysAddr to, PhysAddr from);

    std::map<u64, Unequal> frames_;
};

}  // namespace baton::sim
