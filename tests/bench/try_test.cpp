// SPDX-License-Identifier: GPL-2.0-only
#include <fmt/format.h>
#include <chrono>
#include "bench/blackout/handover.hpp"
#include "tests/catch.hpp"
using namespace baton; using namespace baton::blackout;
TEST_CASE("try") {
    auto t = [](auto f){ auto s=std::chrono::steady_clock::now(); f(); return std::chrono::duration<double,std::milli>(std::chrono::steady_clock::now()-s).count(); };
    for (auto arch : {GeometryId::kX86_64, GeometryId::kAArch64_4K})
    for (auto gen : {Generation::k6_16, Generation::k6_18, Generation::k7_0, Generation::k7_1})
    for (u64 ram : {kGiB, 16*kGiB, kTiB}) {
        std::unique_ptr<HandoverMachine> m;
        try {
        double b = t([&]{ m = std::make_unique<HandoverMachine>(MachineSpec{.arch=arch,.generation=gen,.ram_bytes=ram,.without_b22=true}, BATON_IMAGES);});
        fmt::print("{} {} {} boot {:.1f} ms\n", geometry_of(arch).name, (int)gen, ram>>30, b);
        } catch (std::exception& e) { fmt::print("{} {} {} FAIL {}\n", geometry_of(arch).name, (int)gen, ram>>30, e.what()); continue; }
        for (auto [o,n] : {std::pair<u32,u64>{0,32768},{0,65536},{9,64},{9,128},{18,1},{18,2}}) {
            try { Counts c; double x = t([&]{ c = m->hand_over({o}, n);});
              u64 dark=0; for (auto& p: kPhases) if (p.dark) dark += work_ns(c,p.phase,sim::generic_profile(),4096);
              fmt::print("   order {} x {}: {:.1f} ms host, dark {} us\n", o,n,x,dark/1000);
            } catch (std::exception& e) { fmt::print("   order {} x {}: {}\n", o,n,e.what()); }
        }
    }
}
