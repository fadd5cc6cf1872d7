// SPDX-License-Identifier: GPL-2.0-only
// Stands in for mm/internal.h where Linux's memblock is compiled as a plain program: what memblock.c asks of the page
// allocator. The calls of memblock_free_all go to the trace.
#pragma once

#define pr_warn_ratelimited(...) ((void)0)

struct page {
    int unused;
};

extern bool mirrored_kernelcore;

void memblock_free_pages(struct page* page, unsigned long pfn, unsigned int order);

static inline void accept_memory(phys_addr_t start, unsigned long size) {
    (void)start;
    (void)size;
}
