// SPDX-License-Identifier: GPL-2.0-only
#include "sim/capture/export.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "model/bits.hpp"
#include "model/kernel.hpp"
#include "sim/capture/capture.hpp"
#include "sim/capture/export_plan.hpp"
#include "sim/input_error.hpp"
#include "sim/machine.hpp"

namespace baton::sim {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void unwritable(const fs::path& path) {
    throw InputError(path.string(), fmt::format("cannot be written: {}", std::strerror(errno)));
}

/// A file that is written here and there; what is not written is a hole.
class SparseFile {
public:
    SparseFile(const fs::path& path, u64 size)
        : path_(path), fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644)) {
        if (fd_ < 0 || ftruncate(fd_, static_cast<off_t>(size)) != 0) fail();
    }
    SparseFile(const SparseFile&) = delete;
    SparseFile& operator=(const SparseFile&) = delete;
    ~SparseFile() {
        if (fd_ >= 0) close(fd_);
    }
    void write(u64 offset, std::span<const u8> bytes) {
        while (!bytes.empty()) {
            const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) fail();
            offset += static_cast<u64>(n);
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        }
    }
    /// The host may only now say that it had no room.
    void finish() {
        const int fd = fd_;
        fd_ = -1;
        if (close(fd) != 0) fail();
    }

private:
    [[noreturn]] void fail() {
        const int error = errno;
        if (fd_ >= 0) close(fd_);
        fd_ = -1;
        errno = error;
        unwritable(path_);
    }
    fs::path path_;
    int fd_;
};

/// Removes what was begun unless it was kept.
class NewFolder {
public:
    explicit NewFolder(const fs::path& target) : target_(target), path_(target) {
        std::error_code error;
        if (fs::exists(target, error) && (!fs::is_directory(target, error) || !fs::is_empty(target, error)))
            throw InputError(target.string(), "exists and is not an empty folder", "name a new one");
        if (const fs::path parent = target.parent_path(); !parent.empty() && !fs::is_directory(parent, error))
            throw InputError(parent.string(), "is no folder");
        path_ += fmt::format(".{}.new", getpid());
        if (!fs::create_directory(path_, error)) {
            errno = error ? error.value() : EEXIST;
            unwritable(path_);
        }
    }
    NewFolder(const NewFolder&) = delete;
    NewFolder& operator=(const NewFolder&) = delete;
    ~NewFolder() {
        std::error_code error;
        if (!kept_) fs::remove_all(path_, error);
    }
    const fs::path& path() const { return path_; }
    void keep() {
        std::error_code error;
        fs::rename(path_, target_, error);
        if (error) throw InputError(target_.string(), fmt::format("cannot be written: {}", error.message()));
        kept_ = true;
    }

private:
    fs::path target_;
    fs::path path_;
    bool kept_ = false;
};

bool all_zero(std::span<const u8> bytes) {
    return std::ranges::all_of(bytes, [](u8 b) { return b == 0; });
}

/// Copies a segment's bytes, but for frames of zeros; how many were stored.
u64 store(const HandoverToExport& h, const PlannedSegment& segment, const fs::path& folder) {
    SparseFile file(folder / segment.file, segment.range.size);
    u64 stored = 0;
    h.touched(segment.range, [&](PhysAddr at, std::span<const u8> frame) {
        const PhysAddr from = std::max(at, segment.range.start);
        const PhysAddr to = std::min(at + frame.size(), segment.range.end());
        if (from >= to) return;
        const auto piece = frame.subspan(from - at, to - from);
        if (all_zero(piece)) return;
        file.write(from - segment.range.start, piece);
        stored += piece.size();
    });
    file.finish();
    return stored;
}

void write_whole(const fs::path& path, std::span<const u8> bytes) {
    SparseFile file(path, bytes.size());
    file.write(0, bytes);
    file.finish();
}

}  // namespace

HandoverToExport handover_of(Machine& machine, const std::string& name) {
    const auto& seen = machine.handover();
    if (!seen || seen->boot.fdt.value == 0)
        throw InputError(name, "this kernel was not handed anything", "finalise, load and exec with kho=on");
    const bool blank = machine.config().fill == 0;
    HandoverToExport out{.name = name,
                         .note = "",
                         .geometry = machine.config().geometry,
                         .generation = seen->sender,
                         .map = machine.map(),
                         .boot = seen->boot,
                         .handover = seen->handover,
                         .argument = seen->argument,
                         .kernel = {seen->image, kImageSize},
                         .read = machine.reader(),
                         .touched = machine.touched()};
    if (!blank)
        // What nobody wrote holds the fill, and that is content, too.
        out.touched = [read = machine.reader()](PhysRange range, const auto& visit) {
            std::vector<u8> frame(kFrameSize);
            for (PhysAddr at = align_down(range.start, kFrameSize); at < range.end(); at += kFrameSize)
                if (read(at, frame)) visit(at, frame);
        };
    return out;
}

ExportedCapture export_capture(const HandoverToExport& handover, const fs::path& folder) {
    const ExportPlan plan = plan_export(handover);
    NewFolder out(folder.has_filename() ? folder : folder.parent_path());
    ExportedCapture done{
        .segments = plan.segments.size(), .blocks = handover.handover.blocks.size(), .pages = handover.handover.pages};
    for (const PlannedSegment& s : plan.segments) {
        done.bytes_stored += store(handover, s, out.path());
        done.bytes += s.range.size;
    }
    if (!plan.boot.tree.empty()) write_whole(out.path() / "boot.dtb", plan.boot.tree);
    const std::string manifest = manifest_text(handover, plan);
    write_whole(out.path() / kManifestName, {reinterpret_cast<const u8*>(manifest.data()), manifest.size()});
    out.keep();
    return done;
}

}  // namespace baton::sim
