// SPDX-License-Identifier: GPL-2.0-only
// SHA-256 against the vectors of FIPS 180-4, and against nettle on random data cut in random pieces.
#include <nettle/sha2.h>
// nettle's names are macros that would rename ours.
#undef sha256_init
#undef sha256_update
#undef sha256_digest

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "model/kexec/kexec.hpp"
#include "tests/catch.hpp"

using namespace baton;

namespace {

std::string hex(const u8 (&digest)[32]) {
    std::string s;
    for (const u8 b : digest) {
        s += "0123456789abcdef"[b >> 4];
        s += "0123456789abcdef"[b & 15];
    }
    return s;
}

std::string sha256(const std::string& text) {
    kexec::Sha256 sha;
    kexec::sha256_init(sha);
    kexec::sha256_update(sha, text.data(), text.size());
    u8 digest[32];
    kexec::sha256_final(sha, digest);
    return hex(digest);
}

}  // namespace

TEST_CASE("sha256: FIPS 180-4 vectors") {
    CHECK(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(sha256(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: every length around the block boundary agrees with nettle") {
    std::mt19937_64 random(1);
    std::vector<u8> data(300);
    std::generate(data.begin(), data.end(), [&random] { return static_cast<u8>(random()); });
    for (std::size_t n = 0; n <= data.size(); ++n) {
        sha256_ctx peer;
        nettle_sha256_init(&peer);
        nettle_sha256_update(&peer, n, data.data());
        u8 expected[32];
        nettle_sha256_digest(&peer, sizeof(expected), expected);
        CHECK(sha256(std::string(data.begin(), data.begin() + static_cast<long>(n))) == hex(expected));
    }
}

TEST_CASE("sha256: how the data is cut does not matter") {
    std::mt19937_64 random(2);
    for (int round = 0; round < 200; ++round) {
        std::vector<u8> data(random() % 5000);
        std::generate(data.begin(), data.end(), [&random] { return static_cast<u8>(random()); });
        kexec::Sha256 sha;
        kexec::sha256_init(sha);
        for (std::size_t done = 0; done < data.size();) {
            const std::size_t n = std::min<std::size_t>(random() % 200, data.size() - done);
            kexec::sha256_update(sha, data.data() + done, n);
            done += n;
        }
        u8 digest[32];
        kexec::sha256_final(sha, digest);
        REQUIRE(hex(digest) == sha256(std::string(data.begin(), data.end())));
    }
}
