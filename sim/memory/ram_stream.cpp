// SPDX-License-Identifier: GPL-2.0-only
#include "sim/memory/ram_stream.hpp"

#include <array>
#include <memory>

#include <zstd.h>

#include "sim/bytes.hpp"
#include "sim/memory/page_tree.hpp"

namespace baton::sim {

namespace {

constexpr int kLevel = 3;  // zstd's default: some 300 MB/s

class Compressor {
public:
    Compressor() : context_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
        if (context_ == nullptr) throw std::bad_alloc();
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
    }
    void put(std::span<const u8> bytes) { run(bytes, ZSTD_e_continue); }
    std::vector<u8> finish() {
        run({}, ZSTD_e_end);
        return std::move(out_);
    }

private:
    void run(std::span<const u8> bytes, ZSTD_EndDirective directive) {
        ZSTD_inBuffer in = {bytes.data(), bytes.size(), 0};
        std::size_t left = 0;
        do {
            ZSTD_outBuffer out = {chunk_.data(), chunk_.size(), 0};
            left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
            if (ZSTD_isError(left) != 0) throw SaveError(std::string("zstd: ") + ZSTD_getErrorName(left));
            out_.insert(out_.end(), chunk_.begin(), chunk_.begin() + static_cast<std::ptrdiff_t>(out.pos));
        } while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size);
    }

    std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
    std::vector<u8> chunk_ = std::vector<u8>(ZSTD_CStreamOutSize());
    std::vector<u8> out_;
};

class Decompressor {
public:
    Decompressor(std::span<const u8> compressed, const std::string& what)
        : context_(ZSTD_createDCtx(), ZSTD_freeDCtx), in_{compressed.data(), compressed.size(), 0}, what_(what) {
        if (context_ == nullptr) throw std::bad_alloc();
    }
    void get(std::span<u8> bytes) {
        ZSTD_outBuffer out = {bytes.data(), bytes.size(), 0};
        while (out.pos < out.size) {
            // Input may be used up while decoded bytes still wait inside.
            const std::size_t before = out.pos;
            step(out);
            if (out.pos == before && in_.pos == in_.size) fail("ends too early");
        }
    }
    u64 get_u64() {
        std::array<u8, 8> bytes;
        get(bytes);
        return ByteReader(bytes, what_).get<u64>();
    }
    void expect_end() {
        ZSTD_outBuffer none = {nullptr, 0, 0};
        if (last_ != 0) step(none);
        if (last_ != 0 || in_.pos != in_.size) fail("does not end where it should");
    }
    [[noreturn]] void fail(std::string_view problem) const {
        throw SaveError(what_ + ": its RAM " + std::string(problem));
    }

private:
    void step(ZSTD_outBuffer& out) {
        last_ = ZSTD_decompressStream(context_.get(), &out, &in_);
        if (ZSTD_isError(last_) != 0) fail(std::string("is damaged: ") + ZSTD_getErrorName(last_));
    }

    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
    ZSTD_inBuffer in_;
    const std::string& what_;
    std::size_t last_ = 1;  // 0: the frame is complete
};

}  // namespace

std::vector<u8> compress_ram(PhysicalMemory& memory) {
    std::vector<u64> frames;
    memory.ever().for_each([&](u64 frame) {
        if (!memory.is_background(memory.frame(frame))) frames.push_back(frame);
    });
    Compressor compressor;
    const auto put_run = [&](u64 first, u64 count) {
        ByteWriter head;
        head.put(first);
        head.put(count);
        compressor.put(head.bytes());
        compressor.put({memory.frame(first), count * kFrameSize});
    };
    for (u64 i = 0; i < frames.size();) {
        u64 end = i + 1;
        while (end < frames.size() && frames[end] == frames[end - 1] + 1) ++end;
        put_run(frames[i], end - i);
        i = end;
    }
    put_run(0, 0);
    return compressor.finish();
}

void decompress_ram(std::span<const u8> compressed, const std::string& what,
                    const std::function<bool(u64 frame)>& is_ram,
                    const std::function<void(u64 frame, const u8* bytes)>& page) {
    Decompressor stream(compressed, what);
    Page bytes;
    u64 next = 0;  // the lowest frame that may still come
    for (;;) {
        const u64 first = stream.get_u64();
        const u64 count = stream.get_u64();
        if (count == 0) break;
        if (first < next || count > PhysicalMemory::kAddressEnd >> kFrameShift) stream.fail("is out of order");
        for (u64 frame = first; frame < first + count; ++frame) {
            if (!is_ram(frame)) stream.fail("has frames outside its RAM ranges");
            stream.get(bytes);
            page(frame, bytes.data());
        }
        next = first + count;
    }
    stream.expect_end();
}

}  // namespace baton::sim
