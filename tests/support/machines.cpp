// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/machines.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "model/kernel.hpp"

namespace baton::test {

sim::ImageFile image_of(GeometryId geometry) {
    return sim::ImageFile::load(std::filesystem::path(BATON_IMAGES) / geometry_of(geometry).name / "baton.img");
}

namespace {
// A machine with devices has kernels with drivers.
sim::ImageFile image_for(const sim::Machine& machine) {
    sim::ImageFile image = image_of(machine.config().geometry);
    image.configure({.options = kOptionScratchFloor | (machine.bus().empty() ? 0 : u32{kOptionDevices})});
    return image;
}
}  // namespace

Box::Box(const sim::MachineConfig& config, std::string_view command_line)
    : machine(std::make_unique<sim::Machine>(config)) {
    machine->begin_step();
    const sim::ImageFile image = image_for(*machine);
    const sim::Outcome o = machine->boot(image, command_line, {});
    if (o.kind != sim::Outcome::Kind::kBooted) throw std::runtime_error("the test machine did not boot");
}

Reply Box::ask(Op op, std::initializer_list<u64> args, std::string_view text) {
    const sim::Outcome o = machine->command(op, args, text);
    if (o.kind != sim::Outcome::Kind::kReply || o.reply.error != 0) throw std::runtime_error("a command failed");
    return o.reply;
}

void Box::load_next(std::string_view command_line) {
    const sim::ImageFile image = image_for(*machine);
    const std::span<const u8> bytes = image.bytes();
    const u64 page = machine->geometry().page_size();
    const Reply file = ask(Op::kFileCreate, {bytes.size()});
    for (u64 i = 0; i * page < bytes.size(); ++i) {
        u64 data = 0;
        if (!machine->read({file.values[0] + i * 8}, {reinterpret_cast<u8*>(&data), 8}))
            throw std::runtime_error("index");
        machine->host_write({data}, bytes.subspan(i * page, std::min<u64>(page, bytes.size() - i * page)));
    }
    ask(Op::kKexecFileLoad, {file.values[1], kexec::kNoFile}, command_line);
    ask(Op::kFileFree, {file.values[1]});
}

namespace {
std::vector<u8> pattern_page(PhysAddr a) {
    std::vector<u8> page(kFrameSize);
    for (u64 i = 0; i < kFrameSize; i += 8) {
        const u64 word = (a.value + i) * 0x9e3779b97f4a7c15;
        std::memcpy(page.data() + i, &word, 8);
    }
    return page;
}
}  // namespace

void Box::fill(PhysAddr start, u64 bytes) {
    for (u64 i = 0; i < bytes; i += kFrameSize) machine->host_write(start + i, pattern_page(start + i));
}

bool Box::filled(PhysAddr start, u64 bytes) {
    std::vector<u8> page(kFrameSize);
    for (u64 i = 0; i < bytes; i += kFrameSize)
        if (!machine->read(start + i, page) || page != pattern_page(start + i)) return false;
    return true;
}

}  // namespace baton::test
