// SPDX-License-Identifier: GPL-2.0-only
// Runs the real binary, as a shell would, and keeps what it said.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace baton::tests {

/// A folder that is gone with its object.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "baton-cli-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }

    std::string path(std::string_view name = {}) const {
        return name.empty() ? path_ : path_ + "/" + std::string(name);
    }
    std::string write(std::string_view name, std::string_view text) const {
        std::ofstream(path(name), std::ios::binary) << text;
        return path(name);
    }
    std::string read(std::string_view name) const {
        std::ifstream in(path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }

private:
    std::string path_;
};

struct Said {
    int exit = -1;    // 128 + signal when it died of one
    std::string out;  // standard output
    std::string err;
};

/// Runs `command` by the shell, in a folder of its own. `pipe` is put behind it.
inline Said run_shell(const std::string& command, const std::string& pipe = {}) {
    const TemporaryFolder folder;
    const std::string whole = "cd '" + folder.path() + "' && { " + command + "; echo $? >'" + folder.path("exit") +
                              "'; } 2>err " + (pipe.empty() ? ">out" : "| " + pipe + " >out");
    const int status = std::system(whole.c_str());
    if (!WIFEXITED(status)) return {};
    Said said{.exit = -1, .out = folder.read("out"), .err = folder.read("err")};
    if (const std::string code = folder.read("exit"); !code.empty()) said.exit = std::atoi(code.c_str());
    return said;
}

/// Runs `baton ARGUMENTS`; the arguments are the shell's to split.
inline Said run_baton(const std::string& arguments, const std::string& pipe = {}) {
    return run_shell("'" BATON_BINARY "' " + arguments, pipe);
}

}  // namespace baton::tests
