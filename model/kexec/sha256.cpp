// SPDX-License-Identifier: GPL-2.0-only
// SHA-256 as FIPS 180-4 states it: 64-byte blocks, big-endian words, a length in bits at the end.
//
// The loader digests segments with it and the purgatory of a guest checks them with the same source (specs/kexec.md
// §6), so it is plain C++ without intrinsics.
#include <algorithm>
#include <bit>
#include <cstring>

#include "model/kexec/kexec.hpp"

namespace baton::kexec {
namespace {

constexpr u32 kRounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

u32 load_be32(const u8* p) { return u32{p[0]} << 24 | u32{p[1]} << 16 | u32{p[2]} << 8 | u32{p[3]}; }

void store_be32(u8* p, u32 v) {
    for (u32 i = 0; i < 4; ++i) p[i] = static_cast<u8>(v >> (24 - 8 * i));
}

void transform(u32 (&state)[8], const u8* block) {
    u32 w[64];
    for (u32 i = 0; i < 16; ++i) w[i] = load_be32(block + 4 * i);
    for (u32 i = 16; i < 64; ++i) {
        const u32 s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        const u32 s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    u32 a = state[0], b = state[1], c = state[2], d = state[3];
    u32 e = state[4], f = state[5], g = state[6], h = state[7];
    for (u32 i = 0; i < 64; ++i) {
        const u32 s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
        const u32 choose = (e & f) ^ (~e & g);
        const u32 t1 = h + s1 + choose + kRounds[i] + w[i];
        const u32 s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
        const u32 majority = (a & b) ^ (a & c) ^ (b & c);
        const u32 t2 = s0 + majority;
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

}  // namespace

void sha256_init(Sha256& s) {
    s = {.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
         .bytes = 0,
         .block = {}};
}

void sha256_update(Sha256& s, const void* data, u64 bytes) {
    const auto* p = static_cast<const u8*>(data);
    const u64 held = s.bytes % sizeof(s.block);
    s.bytes += bytes;
    if (held != 0) {
        const u64 n = std::min(bytes, sizeof(s.block) - held);
        std::memcpy(s.block + held, p, n);
        p += n;
        bytes -= n;
        if (held + n < sizeof(s.block)) return;
        transform(s.state, s.block);
    }
    for (; bytes >= sizeof(s.block); p += sizeof(s.block), bytes -= sizeof(s.block)) transform(s.state, p);
    if (bytes != 0) std::memcpy(s.block, p, bytes);
}

void sha256_final(Sha256& s, u8 digest[32]) {
    constexpr u64 kLengthAt = 56;
    const u64 bits = s.bytes * 8;
    u64 held = s.bytes % sizeof(s.block);
    s.block[held++] = 0x80;
    if (held > kLengthAt) {
        std::memset(s.block + held, 0, sizeof(s.block) - held);
        transform(s.state, s.block);
        held = 0;
    }
    std::memset(s.block + held, 0, kLengthAt - held);
    store_be32(s.block + kLengthAt, static_cast<u32>(bits >> 32));
    store_be32(s.block + kLengthAt + 4, static_cast<u32>(bits));
    transform(s.state, s.block);
    for (u32 i = 0; i < 8; ++i) store_be32(digest + 4 * i, s.state[i]);
}

}  // namespace baton::kexec
