// SPDX-License-Identifier: GPL-2.0-only
#include "sim/gdb/packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::sim::gdb {
namespace {

inline constexpr u8 kInterruptByte = 0x03;
inline constexpr u8 kEscape = '}';
inline constexpr u8 kEscapeBit = 0x20;

std::optional<u8> digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<u8>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<u8>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return static_cast<u8>(c - 'A' + 10);
    return std::nullopt;
}

}  // namespace

std::string frame(std::string_view payload) {
    std::string packet = "$";
    u8 sum = 0;
    const auto put = [&](u8 byte) {
        packet += static_cast<char>(byte);
        sum = static_cast<u8>(sum + byte);
    };
    for (const char c : payload) {
        const bool special = c == '$' || c == '#' || c == '}' || c == '*';
        if (special) put(kEscape);
        put(static_cast<u8>(special ? c ^ kEscapeBit : c));
    }
    return packet + fmt::format("#{:02x}", sum);
}

PacketReader::Event PacketReader::feed(u8 byte) {
    switch (state_) {
        case State::kBetween: return between(byte);
        case State::kPayload:
            if (byte == '#') {
                state_ = State::kChecksumHigh;
                return Event::kNone;
            }
            if (byte == '$') return between(byte);  // the last one was cut off
            sum_ = static_cast<u8>(sum_ + byte);
            if (byte == kEscape)
                state_ = State::kEscaped;
            else
                take(byte);
            return Event::kNone;
        case State::kEscaped:
            state_ = State::kPayload;
            sum_ = static_cast<u8>(sum_ + byte);
            take(byte ^ kEscapeBit);
            return Event::kNone;
        case State::kChecksumHigh:
            stated_ = digit(static_cast<char>(byte));
            state_ = State::kChecksumLow;
            return Event::kNone;
        case State::kChecksumLow: break;
    }
    return end(byte);
}

PacketReader::Event PacketReader::between(u8 byte) {
    if (byte == kInterruptByte) return Event::kInterrupt;
    if (byte == '-') return Event::kRepeat;
    if (byte != '$') return Event::kNone;
    state_ = State::kPayload;
    payload_.clear();
    raw_bytes_ = 0;
    sum_ = 0;
    return Event::kNone;
}

void PacketReader::take(u8 byte) {
    if (++raw_bytes_ <= kPacketMax) payload_ += static_cast<char>(byte);
}

PacketReader::Event PacketReader::end(u8 low) {
    state_ = State::kBetween;
    const std::optional<u8> second = digit(static_cast<char>(low));
    if (!stated_ || !second || (*stated_ << 4 | *second) != sum_) return Event::kDamaged;
    return raw_bytes_ > kPacketMax ? Event::kTooLong : Event::kPacket;
}

void PacketChannel::feed(u8 byte) {
    switch (reader_.feed(byte)) {
        case PacketReader::Event::kNone: return;
        case PacketReader::Event::kInterrupt: interrupt_ = true; return;
        case PacketReader::Event::kRepeat:
            if (acknowledge_ && !last_sent_.empty()) gone_ = gone_ || !stream_.write(last_sent_);
            return;
        case PacketReader::Event::kDamaged:
            if (acknowledge_) gone_ = gone_ || !stream_.write("-");
            return;
        case PacketReader::Event::kTooLong:
        case PacketReader::Event::kPacket: break;
    }
    if (acknowledge_) gone_ = gone_ || !stream_.write("+");
    received_.push_back(reader_.payload().size() < kPacketMax ? reader_.payload() : std::string());
}

void PacketChannel::fill() {
    std::array<u8, 4 * kKiB> bytes;
    const std::size_t got = stream_.read(bytes);
    gone_ = gone_ || got == 0;
    for (const u8 byte : std::span(bytes).first(got)) feed(byte);
}

std::optional<std::string> PacketChannel::receive() {
    interrupt_ = false;  // it stands still already
    while (received_.empty() && !gone_) fill();
    if (received_.empty()) return std::nullopt;
    std::string packet = std::move(received_.front());
    received_.pop_front();
    return packet;
}

void PacketChannel::send(std::string_view payload) {
    last_sent_ = frame(payload);
    gone_ = gone_ || !stream_.write(last_sent_);
}

// What is sent to a running target beside an interrupt waits until it stands still; a flood of it ends the connection.
bool PacketChannel::interrupted() {
    constexpr std::size_t kWaitingMax = 64;
    while (!interrupt_ && !gone_ && received_.size() < kWaitingMax && stream_.readable()) fill();
    return interrupt_ || gone_ || received_.size() >= kWaitingMax;
}

std::string to_hex(std::span<const u8> bytes) {
    std::string text;
    text.reserve(2 * bytes.size());
    for (const u8 byte : bytes) text += fmt::format("{:02x}", byte);
    return text;
}

std::string to_hex(std::string_view text) { return to_hex({reinterpret_cast<const u8*>(text.data()), text.size()}); }

std::optional<std::string> from_hex(std::string_view digits) {
    if (digits.size() % 2 != 0) return std::nullopt;
    std::string bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        const auto high = digit(digits[i]);
        const auto low = digit(digits[i + 1]);
        if (!high || !low) return std::nullopt;
        bytes += static_cast<char>(*high << 4 | *low);
    }
    return bytes;
}

std::optional<u64> take_hex(std::string_view& text) {
    u64 value = 0;
    std::size_t n = 0;
    for (; n < text.size() && digit(text[n]); ++n) {
        if (n == 2 * sizeof(u64)) return std::nullopt;
        value = value << 4 | *digit(text[n]);
    }
    if (n == 0) return std::nullopt;
    text.remove_prefix(n);
    return value;
}

}  // namespace baton::sim::gdb
