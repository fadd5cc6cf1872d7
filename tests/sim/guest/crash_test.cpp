// SPDX-License-Identifier: GPL-2.0-only
// Kernels that go wrong as machine code: each is a verdict, soon, with a report that names the place (decision D29).
//
// Machine code is written over kernel_main's command loop's callee, baton::execute, and a command is given.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>

#include "model/kernel.hpp"
#include "tests/catch.hpp"
#include "tests/support/twin_machine.hpp"

using namespace baton;
using namespace baton::sim;
using namespace baton::test;

namespace {

constexpr GeometryId kIds[] = {GeometryId::kX86_64, GeometryId::kAArch64_4K};
constexpr const char* kExecute = "_ZN5baton7executeERNS_6KernelERKNS_7CommandERNS_5ReplyE";
constexpr const char* kPanic = "_ZN5baton8platform5panicENS_3LogEmmm";
constexpr const char* kAssertFailed = "_ZN5baton8platform13assert_failedEjj";

std::filesystem::path built(GeometryId id, const char* file) {
    return std::filesystem::path(BATON_IMAGES) / geometry_of(id).name / file;
}

template <class T>
std::vector<u8> bytes_of(std::initializer_list<T> words) {
    std::vector<u8> out(words.size() * sizeof(T));
    std::memcpy(out.data(), std::data(words), out.size());
    return out;
}

class Victim {
public:
    explicit Victim(GeometryId id)
        : m(id, Target::kGuest, {.budget_instructions = 100'000'000, .silence = std::chrono::milliseconds(200)},
            256 * kMiB),
          g(geometry_of(id)),
          x86(g.isa == Isa::kX86_64),
          image(ImageFile::load(built(id, "baton.img"))),
          symbols(SymbolTable::load(built(id, "baton.elf"))) {
        m.guest().set_symbols(SymbolFiles::in(built(id, "")));
        m.on_site = [this](Site s, u64) {
            passed.push_back(s);
            if (on_site) on_site(s);
            return SiteAction::kGoOn;
        };
        REQUIRE(m.boot(image, "kho=on kho_scratch=16M,32M,16M").kind == Stop::Kind::kIdle);
    }
    u64 execute() const { return symbols.address_of(kExecute).value(); }
    PhysAddr physical(u64 va) const { return m.kernel().image + (va - g.kernel_text_base); }
    u64 direct(PhysAddr a) const { return g.direct_map_base + (a - m.kernel().memstart); }
    void replace(const std::vector<u8>& code) { REQUIRE(m.guest_write(physical(execute()), code)); }
    /// The code runs instead of a command. Checks what every verdict has.
    Fault die(const std::vector<u8>& code) {
        replace(code);
        return end([this] { return m.command(Op::kFinalise); });
    }
    Fault end(const std::function<Stop()>& run) {
        const std::clock_t begin = std::clock();
        const Stop stop = run();
        REQUIRE(stop.kind == Stop::Kind::kFault);
        CHECK((std::clock() - begin) / CLOCKS_PER_SEC < 10);  // of the CPU, as hosts may be busy
        REQUIRE(m.guest().crash());
        text = m.guest().crash()->to_text();
        CHECK(text.starts_with(std::string(verdict_of(stop.fault.kind))));
        check_report();
        return stop.fault;
    }
    void check_report() {
        INFO(text);
        const GuestCrash& c = crash();
        CHECK(c.registers.size() > 20);
        CHECK(text.find("registers\n") != std::string::npos);
        // The schedule points that the machine really passed, up to ten.
        REQUIRE(c.sites.size() <= 10);
        REQUIRE(c.sites.size() == std::min<std::size_t>(10, passed.size()));
        for (std::size_t i = 0; i < c.sites.size(); ++i)
            CHECK(c.sites[i].site == passed[passed.size() - c.sites.size() + i]);
        // The code around, if there is any where the CPU stands.
        if (m.guest().walk({c.pc}, {.kind = WalkAccess::Kind::kFetch}).allowed()) {
            CHECK(c.code.size() <= 8);
            CHECK(std::ranges::count(c.code, c.pc, &Instruction::address) == 1);
            CHECK(text.find("=> ") != std::string::npos);
        }
        CHECK(c.address.has_value() == (text.find("page walk of ") != std::string::npos));
    }
    const GuestCrash& crash() { return *m.guest().crash(); }
    std::string place() { return crash().backtrace.at(0).symbol; }
    /// The image, loaded and about to be entered; `f` is called at its schedule points, and may spoil things.
    Fault hop(const std::function<void(Site, PhysAddr image)>& f) {
        const u64 slot = m.put_file(image.bytes());
        m.command(Op::kKexecFileLoad, {slot, ~u64{0}}, "kho=on");
        REQUIRE(m.reply().error == 0);
        const Kimage& kimage = m.kernel().kexec.image;
        PhysAddr next;
        for (u64 i = 0; i < kimage.segment_count; ++i)
            if (kimage.segments[i].memsz >= kImageSize) next = kimage.segments[i].mem;
        on_site = [f, next](Site s) { f(s, next); };
        return end([this] { return m.command(Op::kExec); });
    }
    void write(PhysAddr to, const std::vector<u8>& bytes) { REQUIRE(m.guest_write(to, bytes)); }

    TwinMachine m;
    const Geometry& g;
    const bool x86;
    ImageFile image;
    SymbolTable symbols;
    std::string text;
    std::vector<Site> passed;
    std::function<void(Site)> on_site;
};

/// Calls a function with two small arguments.
std::vector<u8> call(const Victim& v, const char* function, u32 first, u32 second) {
    const u64 address = v.symbols.address_of(function).value();
    std::vector<u8> code;
    if (v.x86) {  // mov $first,%edi; mov $second,%esi; movabs $function,%rax; call *%rax
        code = bytes_of<u8>({0xbf, 0, 0, 0, 0, 0xbe, 0, 0, 0, 0, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0});
        std::memcpy(code.data() + 1, &first, sizeof(first));
        std::memcpy(code.data() + 6, &second, sizeof(second));
        std::memcpy(code.data() + 12, &address, sizeof(address));
    } else {  // mov w0,#first; mov w1,#second; ldr x16,1f; blr x16; 1: .quad function
        code = bytes_of<u32>({0x52800000 | first << 5, 0x52800001 | second << 5, 0x58000050, 0xd63f0200, 0, 0});
        std::memcpy(code.data() + 16, &address, sizeof(address));
    }
    return code;
}

constexpr const char* kExecuteShown = "baton::execute(baton::Kernel&, baton::Command const&, baton::Reply&)";

}  // namespace

TEST_CASE("crash: a silent loop is a hang, in the function that loops") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.die(v.x86 ? bytes_of<u8>({0xeb, 0xfe}) : bytes_of<u32>({0x14000000}));
        INFO(v.text);
        CHECK(f == Fault{.kind = Fault::Kind::kHang, .args = {100'000'000, kHangSilent, 0}});
        CHECK(v.place() == std::string(kExecuteShown) + "+0x0");
        CHECK(v.crash().backtrace.size() >= 2);
    }
}

TEST_CASE("crash: a load from nowhere is an exception with the walk of its address") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.die(v.x86 ? bytes_of<u8>({0x48, 0x8b, 0x04, 0x25, 0x00, 0x10, 0x00, 0x00})  // mov 0x1000,%rax
                                    : bytes_of<u32>({0xd2820000, 0xf9400000}));  // mov x0,#0x1000; ldr x0,[x0]
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kGuestException);
        CHECK(f.args[0] == (v.x86 ? 14 : 0x25));
        CHECK(f.args[1] == v.execute() + (v.x86 ? 0 : 4));
        CHECK(f.args[2] == 0x1000);
        CHECK(v.place().starts_with(kExecuteShown));
        REQUIRE(v.crash().address == 0x1000);
        CHECK_FALSE(v.crash().walk.allowed());
        CHECK(v.text.find("page walk of 0x1000: ") != std::string::npos);
    }
}

TEST_CASE("crash: what is no instruction is an exception") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.die(v.x86 ? bytes_of<u8>({0x90, 0x0f, 0x0b}) : bytes_of<u32>({0xd503201f, 0}));
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kGuestException);
        CHECK(f.args[0] == (v.x86 ? 6 : 0));
        CHECK(f.args[1] == v.execute() + (v.x86 ? 1 : 4));
        CHECK(v.place() == std::string(kExecuteShown) + (v.x86 ? "+0x1" : "+0x4"));
    }
}

TEST_CASE("crash: a jump into data stops at its first instruction") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const u64 data = v.g.kernel_text_base + kBootStackOffset;
        std::vector<u8> code;
        if (v.x86) {  // mov $data,%rax; jmp *%rax
            code = bytes_of<u8>({0x48, 0xc7, 0xc0, 0, 0, 0, 0, 0xff, 0xe0});
            const u32 low = static_cast<u32>(data);
            std::memcpy(code.data() + 3, &low, sizeof(low));
        } else {  // adr x0, data; br x0
            const u64 distance = data - v.execute();
            code = bytes_of<u32>(
                {static_cast<u32>(0x10000000 | (distance & 3) << 29 | (distance >> 2 & 0x7ffff) << 5), 0xd61f0000});
        }
        const Fault f = v.die(code);
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kGuestException);
        CHECK(f.args[0] == (v.x86 ? 14 : 0x21));
        CHECK(f.args[1] == data);
        CHECK(f.args[2] == data);
        CHECK(v.crash().walk.leaf_bytes != 0);
        CHECK_FALSE(v.crash().walk.kernel_execute);
        CHECK(v.place() == "boot_stack+0x0");
        // Who jumped there is the return address of the loop that called it, at the latest.
        CHECK(v.crash().backtrace.size() >= 2);
    }
}

TEST_CASE("crash: a stack that grows into its guard page is a stack overflow") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.die(v.x86 ? bytes_of<u8>({0xe8, 0xfb, 0xff, 0xff, 0xff})  // call .
                                    : bytes_of<u32>({0xa9bf7bfd, 0x17ffffff}));     // 1: stp x29,x30,[sp,#-16]!; b 1b
        INFO(v.text);
        CHECK(f == Fault{.kind = Fault::Kind::kStackOverflow});
        CHECK(v.place() == std::string(kExecuteShown) + "+0x0");
        REQUIRE(v.crash().address);
        CHECK_FALSE(v.crash().walk.allowed());
    }
}

TEST_CASE("crash: a kernel cannot write its text where it executes it") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.die(v.x86 ? bytes_of<u8>({0x48, 0x89, 0x05, 0, 0, 0, 0})  // mov %rax,0(%rip)
                                    : bytes_of<u32>({0x10000000, 0xf9000000}));     // adr x0, .; str x0,[x0]
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kGuestException);
        CHECK(f.args[0] == (v.x86 ? 14 : 0x25));
        CHECK(f.args[2] == v.execute() + (v.x86 ? 7 : 0));
        CHECK(v.crash().walk.kernel_execute);
        CHECK_FALSE(v.crash().walk.kernel_write);
    }
}

TEST_CASE("crash: a kernel that scribbles over its text through the direct map runs into what it wrote") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const u64 alias = v.direct(v.physical(v.execute()));
        std::vector<u8> code;
        if (v.x86) {  // movabs $alias,%rdi; mov $0x600,%ecx; mov $6,%al; cld; rep stosb
            code = bytes_of<u8>(
                {0x48, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0, 0xb9, 0x00, 0x06, 0, 0, 0xb0, 0x06, 0xfc, 0xf3, 0xaa});
            std::memcpy(code.data() + 2, &alias, sizeof(alias));
        } else {  // ldr x0, 1f; mov x1,#0x600; 2: str wzr,[x0],#4; subs x1,x1,#4; b.ne 2b; ret; 1: .quad alias
            code = bytes_of<u32>({0x580000c0, 0xd280c001, 0xb800441f, 0xf1001021, 0x54ffffc1, 0xd65f03c0, 0, 0});
            std::memcpy(code.data() + 24, &alias, sizeof(alias));
        }
        const Fault f = v.die(code);
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kGuestException);
        CHECK(f.args[0] == (v.x86 ? 6 : 0));
        CHECK(v.place().starts_with(kExecuteShown));
        // Every time at the same instruction.
        Victim again(id);
        CHECK(again.die(code) == f);
    }
}

TEST_CASE("crash: text that a device scribbled over ends the kernel at once") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const ImageHeader& h = v.m.kernel().header;
        const std::vector<u8> noise(h.text_size, v.x86 ? 0x06 : 0x00);
        const PhysAddr text = v.m.kernel().image + h.text_offset;
        const Fault f = v.end([&] {
            REQUIRE(v.m.guest_write(text, noise));
            return v.m.command(Op::kFinalise);
        });
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kGuestException);
        CHECK(f.args[0] == (v.x86 ? 6 : 0));
        CHECK(v.place().find("baton::") != std::string::npos);
    }
}

TEST_CASE("crash: a halted CPU is a hang: nothing can wake it") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.die(v.x86 ? bytes_of<u8>({0xf4}) : bytes_of<u32>({0xd503207f}));
        INFO(v.text);
        CHECK(f == Fault{.kind = Fault::Kind::kHang, .args = {100'000'000, kHangSilent, 0}});
        CHECK(v.place().starts_with(kExecuteShown));
    }
}

TEST_CASE("crash: an address that is none is a general protection fault, which names no address") {
    Victim v(GeometryId::kX86_64);
    // movabs $0x8000000000000000,%rax; mov (%rax),%rax
    const Fault f = v.die(bytes_of<u8>({0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0x8b, 0x00}));
    INFO(v.text);
    CHECK(f == Fault{.kind = Fault::Kind::kGuestException, .args = {13, v.execute() + 10, 0}});
    CHECK_FALSE(v.crash().address);
}

TEST_CASE("crash: a load through the direct map from what is not RAM is a bad access, with its physical address") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        PhysAddr end;
        for (const PhysRange& r : v.m.map.ram) end = std::max(end, r.end());
        const PhysAddr hole = end + kMiB;
        const u64 address = v.direct(hole);
        std::vector<u8> code;
        if (v.x86) {  // movabs $address,%rax; mov (%rax),%rax
            code = bytes_of<u8>({0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0x8b, 0x00});
            std::memcpy(code.data() + 2, &address, sizeof(address));
        } else {  // ldr x0,1f; ldr x0,[x0]; 1: .quad address
            code = bytes_of<u32>({0x58000040, 0xf9400000, 0, 0});
            std::memcpy(code.data() + 8, &address, sizeof(address));
        }
        const Fault f = v.die(code);
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kBadAccess);
        CHECK(f.args[0] == hole.value);
        CHECK(v.crash().address == address);
        CHECK_FALSE(v.crash().walk.allowed());
    }
}

TEST_CASE("crash: the kernel's own panic and assert are shown with who called them") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.die(call(v, kPanic, static_cast<u32>(Log::kPanicMmio), 0x77));
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kPanic);
        CHECK(f.log == Log::kPanicMmio);
        CHECK(f.args[0] == 0x77);
        const auto calls = [](Victim& of, std::string_view name) {
            return std::ranges::count_if(of.crash().backtrace,
                                         [&](const auto& frame) { return frame.symbol.starts_with(name); });
        };
        CHECK(calls(v, "baton::platform::panic(") == 1);
        CHECK(calls(v, kExecuteShown) == 1);
        Victim w(id);
        const Fault g = w.die(call(w, kAssertFailed, 0x4321, 0x99));
        INFO(w.text);
        CHECK(g == Fault{.kind = Fault::Kind::kAssert, .file = 0x4321, .line = 0x99});
        CHECK(calls(w, "baton::platform::assert_failed(") == 1);
        CHECK(calls(w, kExecuteShown) == 1);
    }
}

TEST_CASE("crash: a fault where nobody could handle one is a triple fault") {
    // The first instruction of the next kernel is none. It has no tables of its own yet, and its predecessor's are
    // gone.
    for (const GeometryId id : kIds) {
        Victim v(id);
        PhysAddr entry;
        const Fault f = v.hop([&](Site s, PhysAddr next) {
            if (s != (v.x86 ? Site::kDecompress : Site::kRelocateDone)) return;
            entry = next + (v.x86 ? kEntryOffsetX86 : 0);
            v.write(entry, v.x86 ? bytes_of<u8>({0x0f, 0x0b}) : bytes_of<u32>({0}));
        });
        INFO(v.text);
        CHECK(f.kind == Fault::Kind::kTripleFault);
        CHECK(f.args[0] == entry.value);
        CHECK(v.crash().pc == entry.value);
        CHECK(v.place().starts_with("image_"));
    }
}

TEST_CASE("crash: a loop before the kernel says anything is a hang") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.hop([&](Site s, PhysAddr next) {
            if (s != (v.x86 ? Site::kDecompress : Site::kRelocateDone)) return;
            v.write(next + (v.x86 ? kEntryOffsetX86 : 0),
                    v.x86 ? bytes_of<u8>({0xeb, 0xfe}) : bytes_of<u32>({0x14000000}));
        });
        INFO(v.text);
        CHECK(f == Fault{.kind = Fault::Kind::kHang, .args = {100'000'000, kHangSilent, 0}});
        CHECK(v.place().starts_with("image_"));
    }
}

TEST_CASE("crash: after a flipped destination byte x86-64 stays in the purgatory, and AArch64 finds out at the entry") {
    for (const GeometryId id : kIds) {
        Victim v(id);
        const Fault f = v.hop([&](Site s, PhysAddr next) {
            if (s != Site::kRelocateDone) return;
            const PhysAddr text = next + v.image.header().text_offset;
            v.write(text, {static_cast<u8>(v.m.memory.load<u8>(text).value() ^ 1)});
        });
        INFO(v.text);
        CHECK(f.kind == (v.x86 ? Fault::Kind::kPurgatoryLoop : Fault::Kind::kImageCorrupted));
        CHECK(v.crash().sites.back().site == (v.x86 ? Site::kPurgatoryRegion : Site::kRelocateDone));
        if (!v.x86) continue;
        CHECK(v.place() == "purgatory_label_loop+0x0");
        const ImageHeader h = v.image.header();
        CHECK(v.crash().code.size() > 1);
        CHECK(v.crash().pc % kFrameSize == h.labels[kLabelPurgatoryLoop]);
    }
}
