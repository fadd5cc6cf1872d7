// SPDX-License-Identifier: GPL-2.0-only
// main() of every test executable and of the benchmarks, compiled once: with Catch2 2.13 this file is the framework.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#else
#define CATCH_CONFIG_MAIN
#include "tests/catch.hpp"
#endif
