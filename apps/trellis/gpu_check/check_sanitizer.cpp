// The section that has NVIDIA's compute-sanitizer watch a few op cases: this program runs again
// under it, once for each tool.
#include "apps/trellis/gpu_check/sections.h"
#include "base/error.h"
#include "base/temporary_directory.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

namespace trellis {
namespace {

/// Few rows and many, of the kernels that hold shared memory or copy asynchronously.
constexpr const char* kCases =
    "^(Exl3Rows|LinearGroup|Mlp|QkvRopeStore|AttentionBatches|AttentionPrompts|"
    "AttentionLinearAdd|AttentionQuantizedPrompts):";
constexpr int kMostSeconds = 240;  // of one tool

struct Tool {
  const char* name;
  const char* summary;  // what its last line begins with, before a number
};

constexpr Tool kTools[] = {
    {"memcheck", "ERROR SUMMARY: "},
    {"racecheck", "RACECHECK SUMMARY: "},
};

std::string quoted(const std::string& word) {
  std::string result = "'";
  for (const char c : word) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

struct ShellResult {
  int exit_code = -1;
  std::string output;  // both streams
};

ShellResult run_shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw UserError("no shell could be started");
  ShellResult result;
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    result.output.append(buffer.data(), count);
  }
  const int status = pclose(pipe);
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  return result;
}

/// On PATH, or where the toolkit puts it; empty where there is none.
std::string find_sanitizer() {
  const ShellResult found = run_shell("command -v compute-sanitizer");
  if (found.exit_code == 0) return found.output.substr(0, found.output.find('\n'));
  const std::filesystem::path usual = "/usr/local/cuda/bin/compute-sanitizer";
  return std::filesystem::exists(usual) ? usual.string() : "";
}

/// Errors by the tool's own count, and what it wrote at last.
std::pair<bool, std::string> run_tool(
    const std::string& sanitizer, const Tool& tool, const GpuCheckOptions& options
) {
  const TemporaryDirectory directory;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string cases = options.cases.empty() ? kCases : options.cases;
  const ShellResult result = run_shell(fmt::format(
      "timeout {} {} --tool {} {} gpu-check --only ops --backend {} --out {} --cases {}",
      kMostSeconds, quoted(sanitizer), tool.name, quoted(program), options.backend,
      quoted(directory.path().string()), quoted(cases)
  ));
  const size_t at = result.output.rfind(tool.summary);
  if (at == std::string::npos) {
    const std::string& output = result.output;
    const std::string end = output.substr(output.size() - std::min<size_t>(output.size(), 300));
    return {
        false, fmt::format("no summary, exit code {} (124: time is up): {}", result.exit_code, end)
    };
  }
  const std::string summary = result.output.substr(at, result.output.find('\n', at) - at);
  const int errors = std::atoi(summary.c_str() + std::string(tool.summary).size());
  return {
      errors == 0 && result.exit_code == 0,
      fmt::format("{}; exit code of the cases {}", summary, result.exit_code)
  };
}

}  // namespace

void check_sanitizer(const GpuCheckOptions& options, GpuReport& report) {
  const std::string sanitizer = find_sanitizer();
  if (sanitizer.empty()) {
    return report.note(
        "there is no compute-sanitizer on PATH or in /usr/local/cuda/bin: nothing was checked"
    );
  }
  for (const Tool& tool : kTools) {
    report.check(tool.name, [&] { return run_tool(sanitizer, tool, options); });
  }
}

}  // namespace trellis
