// SPDX-License-Identifier: GPL-2.0-only
// Says what is wrong with a page: a tag that is not closed, an attribute without quotes, a bare `<` or `&` in text.
// Stricter than HTML: every element that is not void has its end tag. What is in style and script is not looked at.
#pragma once

#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::tests {

class MarkupCheck {
public:
    explicit MarkupCheck(std::string_view page) : page_(page) {}

    std::vector<std::string> faults() {
        while (at_ < page_.size() && faults_.size() < 10) step();
        for (const std::string& name : open_) faults_.push_back("<" + name + "> is not closed");
        return faults_;
    }
    /// Ids of all elements, and what links refer to; after faults().
    const std::multiset<std::string>& ids() const { return ids_; }
    const std::multiset<std::string>& links() const { return links_; }
    /// Values of src, href and url() that lead out of the page.
    const std::vector<std::string>& outside() const { return outside_; }

private:
    static bool is_void(const std::string& name) {
        static const std::set<std::string> kVoid = {"meta", "br", "input", "hr", "img", "link"};
        return kVoid.contains(name);
    }
    void fault(std::string what) {
        faults_.push_back(what + " near: " + std::string(page_.substr(at_, 60)));
        ++at_;
    }
    bool take(std::string_view text) {
        if (!page_.substr(at_).starts_with(text)) return false;
        at_ += text.size();
        return true;
    }
    std::string word() {
        const std::size_t from = at_;
        while (at_ < page_.size() && (std::isalnum(static_cast<unsigned char>(page_[at_])) != 0 || page_[at_] == '-'))
            ++at_;
        return std::string(page_.substr(from, at_ - from));
    }
    void reference() {
        const std::size_t end = page_.find(';', at_);
        if (end == page_.npos || end - at_ > 8) return fault("a bare &");
        at_ = end + 1;
    }
    void step() {
        if (take("<!DOCTYPE html>")) return;
        if (page_[at_] == '&') return reference();
        if (page_[at_] != '<') {
            ++at_;
            return;
        }
        if (page_.substr(at_).starts_with("</")) return close();
        element();
    }
    void close() {
        at_ += 2;
        const std::string name = word();
        if (open_.empty() || open_.back() != name || !take(">"))
            return fault("</" + name + "> closes " + (open_.empty() ? "nothing" : open_.back()));
        open_.pop_back();
    }
    void element() {
        ++at_;
        const std::string name = word();
        if (name.empty()) return fault("a bare <");
        for (;;) {
            while (at_ < page_.size() && std::isspace(static_cast<unsigned char>(page_[at_])) != 0) ++at_;
            if (take("/>")) return;
            if (take(">")) break;
            if (!attribute()) return;
        }
        if (is_void(name)) return;
        open_.push_back(name);
        if (name != "style" && name != "script") return;
        at_ = std::min(page_.find("</" + name + ">", at_), page_.size());
    }
    bool attribute() {
        const std::string name = word();
        if (name.empty()) return fault("no attribute"), false;
        if (!take("=")) return true;
        if (!take("\"")) return fault("a value without quotes"), false;
        const std::size_t end = page_.find('"', at_);
        if (end == page_.npos) return fault("a value without an end"), false;
        const std::string value(page_.substr(at_, end - at_));
        if (value.find('<') != value.npos) return fault("a bare < in a value"), false;
        if (name == "id") ids_.insert(value);
        if (name == "href" && value.starts_with("#"))
            links_.insert(value.substr(1));
        else if (name == "href" || name == "src" || value.find("url(") != value.npos)
            outside_.push_back(value);
        at_ = end + 1;
        return true;
    }

    std::string_view page_;
    std::size_t at_ = 0;
    std::vector<std::string> open_;
    std::vector<std::string> faults_;
    std::multiset<std::string> ids_;
    std::multiset<std::string> links_;
    std::vector<std::string> outside_;
};

}  // namespace baton::tests
