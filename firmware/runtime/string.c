// SPDX-License-Identifier: GPL-2.0-only
// The str* functions that libfdt and the model call. In C, because g++ refuses to define strchr and its like.
#include <stddef.h>

size_t strlen(const char* s) {
    size_t n = 0;
    while (s[n] != '\0') ++n;
    return n;
}

size_t strnlen(const char* s, size_t limit) {
    size_t n = 0;
    while (n < limit && s[n] != '\0') ++n;
    return n;
}

int strcmp(const char* a, const char* b) {
    while (*a != '\0' && *a == *b) ++a, ++b;
    return (unsigned char)*a - (unsigned char)*b;
}

char* strchr(const char* s, int c) {
    for (;; ++s) {
        if (*s == (char)c) return (char*)s;
        if (*s == '\0') return NULL;
    }
}

char* strrchr(const char* s, int c) {
    const char* last = NULL;
    for (;; ++s) {
        if (*s == (char)c) last = s;
        if (*s == '\0') return (char*)last;
    }
}
