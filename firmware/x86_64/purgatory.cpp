// SPDX-License-Identifier: GPL-2.0-only
// SHA-256 for firmware/x86_64/purgatory.S: the loader's own source (model/kexec/sha256.cpp), built without SSE.
#include "model/kexec/kexec.hpp"

namespace {
baton::kexec::Sha256 state;
}

extern "C" {

void purgatory_hash_begin() { baton::kexec::sha256_init(state); }
void purgatory_hash(const void* start, baton::u64 bytes) { baton::kexec::sha256_update(state, start, bytes); }
void purgatory_hash_end(baton::u8 (&digest)[32]) { baton::kexec::sha256_final(state, digest); }

}  // extern "C"
