// SPDX-License-Identifier: GPL-2.0-only
// Saving and restoring what a guest has outside RAM: registers by name, the port, and where the runner is (decision
// D22).
#include <algorithm>
#include <cstring>

#include "sim/guest/runner.hpp"

namespace baton::sim {
namespace {

/// Writes and reads named plain values.
template <class T>
void put(CpuFields& fields, std::string_view name, const T& value) {
    const auto* bytes = reinterpret_cast<const u8*>(&value);
    fields.emplace_back(name, std::vector<u8>(bytes, bytes + sizeof(T)));
}

template <class T>
void get(const CpuFields& fields, std::string_view name, T& value) {
    const auto field = std::ranges::find(fields, name, &CpuFields::value_type::first);
    if (field == fields.end() || field->second.size() != sizeof(T))
        throw EngineError("the saved guest has no usable field " + std::string(name));
    std::memcpy(&value, field->second.data(), sizeof(T));
}

}  // namespace

CpuFields GuestRunner::save_cpu() const {
    if (engine_ == nullptr) throw EngineError("no guest is there to be saved");
    if (!can_save()) throw EngineError("a guest can be saved when it waits and when it has left, not now");
    CpuFields fields = save_registers(*engine_);
    put(fields, "port.record", record_);
    put(fields, "port.served", served_);
    put(fields, "port.at_doorbell", u8{at_doorbell_});
    put(fields, "guest.image", image_.value);
    put(fields, "guest.header", header_);
    put(fields, "guest.memstart", memstart_.value);
    return fields;
}

void GuestRunner::restore_cpu(const CpuFields& fields) {
    // A CPU that died of an exception keeps it, and the next one would be a double fault.
    if (engine_ == nullptr || phase_ == Phase::kOff) power_on();
    const PhysAddr old_image = image_;
    const bool was_kernel = phase_ == Phase::kKernel;
    restore_registers(*engine_, fields);
    get(fields, "port.record", record_);
    get(fields, "port.served", served_);
    u8 at_doorbell = 0;
    get(fields, "port.at_doorbell", at_doorbell);
    at_doorbell_ = at_doorbell != 0;
    get(fields, "guest.image", image_.value);
    get(fields, "guest.header", header_);
    get(fields, "guest.memstart", memstart_.value);
    phase_ = Phase::kKernel;
    announced_label_.reset();
    stop_in_call_ = false;
    pending_.clear();
    repeat_.reset();
    stop_after_.reset();
    sites_.clear();
    crash_.reset();
    // Changed text of the same kernel is reported by notify_host_write; another kernel is other text.
    if (!was_kernel || old_image != image_) flush_code_ = true;
}

}  // namespace baton::sim
