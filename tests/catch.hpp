// SPDX-License-Identifier: GPL-2.0-only
// Catch2, whichever is installed: Debian 12 has the single header of 2.13, newer systems have 3.x.
//
// It is the tests' precompiled header, so including it costs nothing. With 2.13 BENCHMARK must be asked for, and asking
// changes the layout of the framework's classes: so everybody asks, tests, benchmarks and tests/main.cpp.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_ENABLE_BENCHMARKING
#include <catch2/catch.hpp>
#endif
