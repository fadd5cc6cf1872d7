// SPDX-License-Identifier: GPL-2.0-only
// Reads a timeline as a viewer would, and says what such a viewer could not make sense of.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace baton::tests {

/// What is wrong with a document in the trace event format; empty: nothing. Slices must nest and end, times not go back
/// on a track, every flow have both ends and each inside a slice of its track, and every track a name.
inline std::vector<std::string> faults_of_trace(const nlohmann::json& document) {
    using Track = std::pair<int, int>;
    std::vector<std::string> faults;
    std::map<Track, int> open;
    std::map<Track, double> reached;
    std::map<int, int> begun;  // flows
    std::map<int, int> ended;
    std::set<Track> named;
    std::set<Track> used;
    for (const auto& e : document.at("traceEvents")) {
        const std::string ph = e.at("ph");
        const Track track{e.at("pid"), e.at("tid")};
        if (ph == "M") {
            if (e.at("name") == "thread_name") named.insert(track);
            continue;
        }
        used.insert(track);
        const double ts = e.at("ts");
        if (reached.contains(track) && ts < reached[track]) faults.push_back("time goes back: " + e.dump());
        reached[track] = ts;
        if (ph == "B") ++open[track];
        if (ph == "E" && --open[track] < 0) faults.push_back("an end without a begin: " + e.dump());
        if (ph == "s" || ph == "f") {
            ++(ph == "s" ? begun : ended)[e.at("id").get<int>()];
            if (open[track] == 0) faults.push_back("a flow outside of slices: " + e.dump());
            if (ph == "f" && e.at("bp") != "e") faults.push_back("a flow to the next slice: " + e.dump());
        }
        if (ph == "i" && e.at("s") != "t") faults.push_back("an instant without a scope: " + e.dump());
    }
    for (const auto& [track, depth] : open)
        if (depth != 0) faults.push_back("slices are left open on track " + std::to_string(track.second));
    for (const auto& [id, count] : begun)
        if (count != 1 || ended[id] != 1) faults.push_back("a flow without both ends: " + std::to_string(id));
    if (begun.size() != ended.size()) faults.push_back("a flow without a start");
    for (const Track& track : used)
        if (!named.contains(track)) faults.push_back("a track without a name");
    return faults;
}

/// Events of a phase ("B", "i", …), in the order of the file.
inline std::vector<nlohmann::json> trace_events(const nlohmann::json& document, const std::string& ph) {
    std::vector<nlohmann::json> out;
    for (const auto& e : document.at("traceEvents"))
        if (e.at("ph") == ph) out.push_back(e);
    return out;
}

inline std::vector<std::string> trace_names(const nlohmann::json& document, const std::string& ph) {
    std::vector<std::string> out;
    for (const auto& e : trace_events(document, ph)) out.push_back(e.at("name"));
    return out;
}

}  // namespace baton::tests
