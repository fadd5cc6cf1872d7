// SPDX-License-Identifier: GPL-2.0-only
#include "sim/gdb/stub.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sim/gdb/registers.hpp"

namespace baton::sim::gdb {
namespace {

constexpr std::string_view kOk = "OK";
constexpr std::string_view kBadAddress = "E0e";   // EFAULT
constexpr std::string_view kBadRequest = "E16";   // EINVAL
constexpr std::string_view kNotWritable = "E01";  // EPERM
inline constexpr std::size_t kMemoryMax = kPacketMax / 2 - 16;
inline constexpr std::size_t kConsoleMax = kPacketMax / 4;

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

/// `first,second` in hexadecimal.
bool take_pair(std::string_view& text, u64& first, u64& second) {
    const auto a = take_hex(text);
    if (!a || !take(text, ",")) return false;
    const auto b = take_hex(text);
    if (!b) return false;
    first = *a;
    second = *b;
    return true;
}

std::string register_text(const Register& r, const CpuFields& fields) {
    const auto field = std::ranges::find(fields, r.field, &CpuFields::value_type::first);
    if (r.field.empty() || field == fields.end()) return std::string(r.bits / 4, 'x');
    std::vector<u8> value = field->second;
    value.resize(r.bits / 8);
    return to_hex(value);
}

std::span<const u8> as_bytes(const std::string& text) {
    return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

}  // namespace

Resume Stub::serve(Debuggee& debuggee) {
    resume_.reset();
    for (;;) {
        const std::optional<std::string> packet = channel_.receive();
        if (!packet) return Resume::kGone;
        const std::string reply = answer(debuggee, *packet);
        const bool silent = resume_ == Resume::kContinue || resume_ == Resume::kStep || resume_ == Resume::kKill;
        if (!silent) channel_.send(reply);
        if (*packet == "QStartNoAckMode") channel_.stop_acknowledging();
        if (resume_) return *resume_;
    }
}

void Stub::report(const StopReason& reason) {
    reason_ = reason;
    channel_.send(stop_reply());
}

void Stub::print(std::string_view text) {
    for (; !text.empty(); text.remove_prefix(std::min(text.size(), kConsoleMax)))
        channel_.send("O" + to_hex(text.substr(0, kConsoleMax)));
}

void Stub::exited(u32 code) { channel_.send(fmt::format("W{:02x}", code & 0xff)); }

std::string Stub::stop_reply() const {
    std::string reply = fmt::format("T{:02x}", reason_.signal);
    if (reason_.breakpoint) reply += *reason_.breakpoint == Breakpoint::kHardware ? "hwbreak:;" : "swbreak:;";
    return reply + "thread:1;";
}

std::string Stub::answer(Debuggee& debuggee, std::string_view packet) {
    if (packet.empty()) return std::string(kBadRequest);
    const std::string_view rest = packet.substr(1);
    switch (packet[0]) {
        case '?': return stop_reply();
        case 'g': return read_registers(debuggee);
        case 'G': return write_registers(debuggee, rest);
        case 'p': return read_register(debuggee, rest);
        case 'P': return write_register(debuggee, rest);
        case 'm': return read_memory(debuggee, rest);
        case 'M': return write_memory(debuggee, rest, false);
        case 'X': return write_memory(debuggee, rest, true);
        case 'Z':
        case 'z': return change_breakpoint(debuggee, packet);
        case 'c':
        case 'C':
        case 's':
        case 'S': return resume_at(debuggee, packet);
        case 'H':
        case 'T': return std::string(kOk);  // there is one thread
        case 'D': resume_ = Resume::kDetach; return std::string(kOk);
        case 'k': resume_ = Resume::kKill; return {};
        case 'q':
        case 'Q':
        case 'v': return answer_query(debuggee, packet);
        default: return {};
    }
}

std::string Stub::answer_query(Debuggee& debuggee, std::string_view packet) {
    if (take(packet, "qSupported"))
        return fmt::format("PacketSize={:x};QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+",
                           kPacketMax - 1);
    if (packet == "QStartNoAckMode") return std::string(kOk);
    if (take(packet, "qXfer:features:read:")) return answer_transfer(debuggee, packet);
    if (packet == "qC") return "QC1";
    if (packet == "qfThreadInfo") return "m1";
    if (packet == "qsThreadInfo") return "l";
    if (packet.starts_with("qAttached")) return "1";
    if (take(packet, "qRcmd,")) return monitor(debuggee, packet);
    if (packet == "vCont?") return "vCont;c;C;s;S";
    if (take(packet, "vCont")) return resume_threads(packet);
    if (packet.starts_with("vKill")) {
        resume_ = Resume::kKill;
        channel_.send(kOk);
    }
    return {};
}

// annex:offset,length. The answer is a piece, marked as the last (`l`) or not (`m`).
std::string Stub::answer_transfer(Debuggee& debuggee, std::string_view request) {
    if (!take(request, "target.xml:")) return "E00";
    u64 offset = 0;
    u64 bytes = 0;
    if (!take_pair(request, offset, bytes) || !request.empty()) return std::string(kBadRequest);
    const std::string xml = target_description(debuggee.isa());
    if (offset >= xml.size()) return "l";
    const std::string piece = xml.substr(offset, std::min<u64>(bytes, kMemoryMax));
    return (offset + piece.size() == xml.size() ? "l" : "m") + piece;
}

// --- registers ------------------------------------------------------------------------------------------------------

std::string Stub::read_registers(Debuggee& debuggee) {
    const CpuFields fields = debuggee.read_registers();
    std::string all;
    for (const Register& r : registers(debuggee.isa())) all += register_text(r, fields);
    return all;
}

// Registers that did not change are not written, so that only a change of one that cannot be written is an error.
std::string Stub::write_registers(Debuggee& debuggee, std::string_view digits) {
    const CpuFields fields = debuggee.read_registers();
    std::size_t total = 0;
    for (const Register& r : registers(debuggee.isa())) total += r.bits / 4;
    if (digits.size() != total) return std::string(kBadRequest);
    bool written = true;
    for (const Register& r : registers(debuggee.isa())) {
        const std::string_view now = digits.substr(0, r.bits / 4);
        digits.remove_prefix(now.size());
        if (now == register_text(r, fields) || r.field.empty()) continue;
        const auto value = from_hex(now);
        if (!value) return std::string(kBadRequest);
        written = debuggee.write_register(r.field, as_bytes(*value)) && written;
    }
    return std::string(written ? kOk : kNotWritable);
}

std::string Stub::read_register(Debuggee& debuggee, std::string_view number) {
    const auto n = take_hex(number);
    const std::vector<Register>& all = registers(debuggee.isa());
    if (!n || !number.empty() || *n >= all.size()) return std::string(kBadRequest);
    return register_text(all[*n], debuggee.read_registers());
}

std::string Stub::write_register(Debuggee& debuggee, std::string_view request) {
    const auto n = take_hex(request);
    const std::vector<Register>& all = registers(debuggee.isa());
    if (!n || !take(request, "=") || *n >= all.size()) return std::string(kBadRequest);
    const auto value = from_hex(request);
    if (!value || value->size() != all[*n].bits / 8) return std::string(kBadRequest);
    const bool written = !all[*n].field.empty() && debuggee.write_register(all[*n].field, as_bytes(*value));
    return std::string(written ? kOk : kNotWritable);
}

// --- memory ---------------------------------------------------------------------------------------------------------

std::string Stub::read_memory(Debuggee& debuggee, std::string_view request) {
    u64 address = 0;
    u64 bytes = 0;
    if (!take_pair(request, address, bytes) || !request.empty()) return std::string(kBadRequest);
    std::vector<u8> memory(std::min<u64>(bytes, kMemoryMax));  // less than was asked for is allowed
    memory.resize(debuggee.read_memory(address, memory));
    if (memory.empty() && bytes != 0) return std::string(kBadAddress);
    return to_hex(memory);
}

std::string Stub::write_memory(Debuggee& debuggee, std::string_view request, bool binary) {
    u64 address = 0;
    u64 bytes = 0;
    if (!take_pair(request, address, bytes) || !take(request, ":")) return std::string(kBadRequest);
    const std::optional<std::string> data = binary ? std::string(request) : from_hex(request);
    if (!data || data->size() != bytes) return std::string(kBadRequest);
    return std::string(debuggee.write_memory(address, as_bytes(*data)) ? kOk : kBadAddress);
}

// Z0 and Z1 with their address and kind. Watchpoints are not offered.
std::string Stub::change_breakpoint(Debuggee& debuggee, std::string_view packet) {
    if (packet.size() < 2 || packet[1] < '0' || packet[1] > '1') return {};
    const Breakpoint kind = packet[1] == '0' ? Breakpoint::kSoftware : Breakpoint::kHardware;
    std::string_view request = packet.substr(2);
    u64 address = 0;
    u64 bytes = 0;
    if (!take(request, ",") || !take_pair(request, address, bytes)) return std::string(kBadRequest);
    if (packet[0] == 'Z') return std::string(debuggee.add_breakpoint(address, kind) ? kOk : kBadRequest);
    debuggee.remove_breakpoint(address, kind);
    return std::string(kOk);
}

// --- running --------------------------------------------------------------------------------------------------------

// c [address], C signal[;address], and the same for s. No signal can be delivered to a CPU.
std::string Stub::resume_at(Debuggee& debuggee, std::string_view packet) {
    const bool step = packet[0] == 's' || packet[0] == 'S';
    const bool signal = packet[0] == 'C' || packet[0] == 'S';
    packet.remove_prefix(1);
    if (signal && !take_hex(packet)) return std::string(kBadRequest);
    if (signal && !packet.empty() && !take(packet, ";")) return std::string(kBadRequest);
    if (!packet.empty()) {
        const auto pc = take_hex(packet);
        if (!pc || !packet.empty()) return std::string(kBadRequest);
        u8 bytes[sizeof(u64)];
        std::memcpy(bytes, &*pc, sizeof(bytes));
        if (!debuggee.write_register(debuggee.isa() == Isa::kX86_64 ? "rip" : "pc", bytes))
            return std::string(kNotWritable);
    }
    resume_ = step ? Resume::kStep : Resume::kContinue;
    return {};
}

// ;action[:thread] … — the first one is for the only thread there is.
std::string Stub::resume_threads(std::string_view actions) {
    if (!take(actions, ";") || actions.empty()) return std::string(kBadRequest);
    switch (actions[0]) {
        case 'c':
        case 'C': resume_ = Resume::kContinue; return {};
        case 's':
        case 'S': resume_ = Resume::kStep; return {};
        default: return std::string(kBadRequest);
    }
}

std::string Stub::monitor(Debuggee& debuggee, std::string_view digits) {
    const auto command = from_hex(digits);
    if (!command) return std::string(kBadRequest);
    print(debuggee.execute(*command));
    return std::string(kOk);
}

}  // namespace baton::sim::gdb
