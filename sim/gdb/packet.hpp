// SPDX-License-Identifier: GPL-2.0-only
// The framing of GDB's remote serial protocol: `$payload#checksum`, acknowledged until both sides agree not to.
//
// Bytes come from whoever connected, so nothing is believed of them: a packet is cut at kPacketMax, a wrong checksum is
// asked for again, everything between packets but the interrupt byte is dropped.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/types.hpp"

namespace baton::sim::gdb {

inline constexpr std::size_t kPacketMax = 16 * kKiB;  // bytes between `$` and `#`

/// A connection.
class ByteStream {
public:
    ByteStream() = default;
    ByteStream(const ByteStream&) = delete;
    ByteStream& operator=(const ByteStream&) = delete;
    virtual ~ByteStream() = default;
    /// At least one byte, after waiting for it; 0 = the other side is gone.
    virtual std::size_t read(std::span<u8> to) = 0;
    /// read() would not wait.
    virtual bool readable() = 0;
    /// False: the other side is gone.
    virtual bool write(std::string_view bytes) = 0;
};

/// `payload` as it goes over the wire.
std::string frame(std::string_view payload);

/// Takes a stream of bytes apart.
class PacketReader {
public:
    enum class Event { kNone, kPacket, kDamaged, kTooLong, kInterrupt, kRepeat };
    Event feed(u8 byte);
    /// After kPacket: the payload, with its escapes undone.
    const std::string& payload() const { return payload_; }

private:
    enum class State { kBetween, kPayload, kEscaped, kChecksumHigh, kChecksumLow };
    Event between(u8 byte);
    void take(u8 byte);
    Event end(u8 low);

    State state_ = State::kBetween;
    std::string payload_;
    std::size_t raw_bytes_ = 0;
    u8 sum_ = 0;
    std::optional<u8> stated_;  // high digit of the checksum; nothing: it was no digit
};

/// Packets over a connection.
class PacketChannel {
public:
    explicit PacketChannel(ByteStream& stream) : stream_(stream) {}
    /// The next packet; nothing when the other side is gone. One that is too long comes as an empty one, which no
    /// command is.
    std::optional<std::string> receive();
    void send(std::string_view payload);
    /// Without waiting: true if the other side asked for a stop, or is gone.
    bool interrupted();
    void stop_acknowledging() { acknowledge_ = false; }

private:
    void fill();
    void feed(u8 byte);

    ByteStream& stream_;
    PacketReader reader_;
    std::deque<std::string> received_;
    std::string last_sent_;
    bool acknowledge_ = true;
    bool interrupt_ = false;
    bool gone_ = false;
};

// Hexadecimal, as everything but X is written.
std::string to_hex(std::span<const u8> bytes);
std::string to_hex(std::string_view text);
/// Nothing for an odd number of digits or for what is none.
std::optional<std::string> from_hex(std::string_view digits);
/// Reads 1 to 16 digits off the front of `text`.
std::optional<u64> take_hex(std::string_view& text);

}  // namespace baton::sim::gdb
