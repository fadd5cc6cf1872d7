// SPDX-License-Identifier: GPL-2.0-only
// Leaving through kexec: the order of the schedule points, and everything the relocation code is told.
#include "model/kexec/kexec.hpp"

#include "tests/model/kexec/loadable.hpp"

using namespace baton;
using namespace baton::test;

namespace {

std::vector<Site> sites_of_reboot(Loadable& l) {
    std::vector<Site> sites;
    l.m.on_site = [&sites](Site site, u64, u64) { sites.push_back(site); };
    const sim::Fault fault = l.m.run([&] { static_cast<void>(kexec::reboot(l.k)); });
    l.m.on_site = nullptr;
    CHECK(fault.kind == sim::Fault::Kind::kNone);
    return sites;
}

}  // namespace

TEST_CASE("reboot: without an image it is EINVAL and nothing happens") {
    Loadable l;
    CHECK(kexec::reboot(l.k).error() == Errno::kEINVAL);
    CHECK(l.m.site_count(Site::kRebootBegin) == 0);
    CHECK(l.k.kexec.in_progress == 0);
}

TEST_CASE("reboot: x86-64 leaves with the identity map and freshly copied relocation code") {
    Loadable l;
    REQUIRE(l.load(l.kernel_file()));
    const Kimage& image = l.k.kexec.image;
    CHECK(sites_of_reboot(l) == std::vector<Site>{Site::kRebootBegin, Site::kRebootNotifiers, Site::kRebootDevices,
                                                  Site::kRebootCpus, Site::kRebootIommu, Site::kKexecJump});
    REQUIRE(l.m.has_jumped);
    CHECK(l.k.kexec.in_progress == 1);
    const platform::Jump& j = l.m.jumped;
    CHECK(j.head == image.head);
    CHECK(j.start == image.start);
    CHECK(j.control_page == image.control_code_page);
    CHECK(j.root == image.root);
    CHECK(j.idmap_root.value == 0);
    CHECK(j.swap_page == image.swap_page);
    CHECK(j.argument == 0);
    CHECK(j.page_size == 4096);
    CHECK_FALSE(j.three_way_swap);
    CHECK(std::memcmp(l.m.bytes(j.control_page), l.m.bytes(l.k.image + Loadable::kRelocateOffset),
                      Loadable::kRelocateSize) == 0);
}

TEST_CASE("reboot: the 6.12 base swaps pages three ways on x86-64") {
    Loadable x;
    x.k.config.kexec_base = static_cast<u32>(KexecBase::k6_12);
    REQUIRE(x.load(x.kernel_file()));
    sites_of_reboot(x);
    CHECK(x.m.jumped.three_way_swap);
}

TEST_CASE("reboot: AArch64 leaves with the linear-map copy, the code page's map and the device tree") {
    Loadable l(GeometryId::kAArch64_64K, 256 * kMiB);
    l.k.config.kexec_base = static_cast<u32>(KexecBase::k6_12);
    REQUIRE(l.load(l.kernel_file()));
    const Kimage& image = l.k.kexec.image;
    CHECK(sites_of_reboot(l) == std::vector<Site>{Site::kRebootBegin, Site::kRebootNotifiers, Site::kRebootDevices,
                                                  Site::kRebootCpus, Site::kKexecJump});
    const platform::Jump& j = l.m.jumped;
    CHECK(j.root == image.root);
    CHECK(j.idmap_root == image.idmap_root);
    CHECK(j.idmap_root.value != 0);
    CHECK(j.argument == image.argument);
    CHECK(j.start == image.start);
    CHECK(j.page_size == 65536);
    CHECK_FALSE(j.three_way_swap);
}
