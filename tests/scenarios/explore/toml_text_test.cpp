// SPDX-License-Identifier: GPL-2.0-only
// A document as text reads as the same document.
#include "scenarios/explore/toml_text.hpp"

#include <filesystem>
#include <fstream>

#include "tests/catch.hpp"

namespace baton::scenarios {
namespace {

bool same(const Value& a, const Value& b) {
    if (a.type != b.type || a.text != b.text || a.integer != b.integer || a.boolean != b.boolean) return false;
    if (a.items.size() != b.items.size() || a.entries.size() != b.entries.size()) return false;
    for (std::size_t i = 0; i < a.items.size(); ++i)
        if (!same(a.items[i], b.items[i])) return false;
    // Plain keys come before tables.
    for (const Entry& e : a.entries) {
        const Entry* const other = b.find(e.key);
        if (other == nullptr || !same(e.value, other->value)) return false;
    }
    return true;
}

Value read(const std::string& text) {
    DiagnosticSink sink("text");
    const auto root = read_document(text, sink);
    for (const Diagnostic& d : sink.take()) UNSCOPED_INFO(to_text(d) << "\n" << text);
    REQUIRE(root);
    return *root;
}

}  // namespace

TEST_CASE("toml_text: every scenario of the library reads back") {
    namespace fs = std::filesystem;
    u32 files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(BATON_SOURCE_DIR "/scenarios/library")) {
        if (entry.path().extension() != ".toml") continue;
        INFO(entry.path().string());
        std::ifstream in(entry.path(), std::ios::binary);
        const Value root = read({std::istreambuf_iterator<char>(in), {}});
        const std::string text = to_toml(root);
        CHECK(same(root, read(text)));
        CHECK(to_toml(read(text)) == text);
        ++files;
    }
    CHECK(files > 50);
}

TEST_CASE("toml_text: strings and keys that need quotes") {
    Value root = table_value({{"plain", text_value("a")},
                              {"odd key.\"", text_value("quote \" backslash \\ tab \t bell \x07 \x7f")},
                              {"lines", text_value("first\nsecond \"\"\" third\r\n\nlast")},
                              {"empty", text_value("")},
                              {"number", integer_value(42)},
                              {"nested", array_value({array_value({integer_value(1)}), text_value("x")})},
                              {"table", table_value({{"in ner", table_value({{"k", text_value("v")}})}})}});
    CHECK(same(root, read(to_toml(root))));
    // Something that would differ is seen to.
    Value other = root;
    set_value(other, "plain", text_value("b"));
    CHECK_FALSE(same(other, read(to_toml(root))));
}

TEST_CASE("toml_text: edits") {
    Value t = table_value({{"a", integer_value(1)}, {"b", integer_value(2)}});
    set_value(t, "a", integer_value(3));
    set_value(t, "c", text_value("new"));
    remove_key(t, "b");
    CHECK(to_toml(t) == "a = 3\nc = \"new\"\n");
    CHECK(find_value(t, "b") == nullptr);
}

}  // namespace baton::scenarios
