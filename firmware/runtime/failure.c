// SPDX-License-Identifier: GPL-2.0-only
// What compiled code calls when it gives up: all of it ends as a failed assert of the simulated kernel.
//
// libfdt.a of Debian is built with stack protectors: x86-64 reads the canary at %fs:0x28 (entry.S sets the base),
// AArch64 the word below. It is zero and stays zero, so that nothing random enters a kernel.
#include <stdint.h>

// firmware/platform.cpp. The argument tells the callers below apart; it is reported as the line.
_Noreturn void runtime_failure(uint32_t which);

const uintptr_t __stack_chk_guard = 0;
_Noreturn void __stack_chk_fail(void) { runtime_failure(1); }
_Noreturn void abort(void) { runtime_failure(2); }
_Noreturn void __assert_fail(const char* what, const char* file, unsigned line, const char* function) {
    (void)what, (void)file, (void)line, (void)function;
    runtime_failure(3);
}

// std::__throw_length_error(char const*) and its like, which hosted headers call instead of throwing.
_Noreturn void _ZSt20__throw_length_errorPKc(const char* what) { (void)what, runtime_failure(4); }
_Noreturn void _ZSt20__throw_out_of_rangePKc(const char* what) { (void)what, runtime_failure(5); }
_Noreturn void _ZSt24__throw_out_of_range_fmtPKcz(const char* what, ...) { (void)what, runtime_failure(6); }
_Noreturn void _ZSt19__throw_logic_errorPKc(const char* what) { (void)what, runtime_failure(7); }
