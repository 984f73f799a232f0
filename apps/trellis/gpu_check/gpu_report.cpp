#include "apps/trellis/gpu_check/gpu_report.h"

#include "apps/trellis/output.h"
#include "base/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <system_error>

namespace trellis {
namespace {

void write_file(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw UserError("{}: cannot be written", path.string());
}

/// 33.52, 1234: four digits, as far as they are not zeros.
std::string number_text(double value) {
  return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

/// A cell of a table: on one line, without what would end the cell.
std::string cell(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::replace(text.begin(), text.end(), '|', '/');
  return text;
}

}  // namespace

void GpuReport::section(const std::string& name, const std::function<void()>& run) {
  section_ = name;
  print_note(fmt::format("{}\n", name));
  const auto begin = std::chrono::steady_clock::now();
  try {
    run();
  } catch (const std::exception& error) {
    check("runs to its end", false, error.what());
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  seconds_.emplace_back(name, elapsed.count());
}

void GpuReport::check(const std::string& name, bool passed, const std::string& detail) {
  checks_.push_back({section_, name, passed, detail});
  print_note(fmt::format("  {}  {}: {}\n", passed ? "pass" : "FAIL", name, detail));
}

void GpuReport::check(
    const std::string& name, const std::function<std::pair<bool, std::string>()>& fn
) {
  std::pair<bool, std::string> result;
  try {
    result = fn();
  } catch (const std::exception& error) {
    result = {false, error.what()};
  }
  check(name, result.first, result.second);
}

void GpuReport::note(const std::string& text) {
  notes_.emplace_back(section_, text);
  print_note(fmt::format("  {}\n", text));
}

void GpuReport::figure(
    const std::string& name, double value, const std::string& unit,
    std::optional<double> bandwidth_share
) {
  figures_.push_back({section_, name, value, unit, bandwidth_share});
  const std::string share =
      bandwidth_share ? fmt::format(", {:.1f} % of the bandwidth", 100 * *bandwidth_share) : "";
  print_note(fmt::format("  {}: {} {}{}\n", name, number_text(value), unit, share));
}

size_t GpuReport::num_failed() const {
  return static_cast<size_t>(std::count_if(checks_.begin(), checks_.end(), [](const Check& check) {
    return !check.passed;
  }));
}

OrderedJson GpuReport::json() const {
  OrderedJson document;
  document["passed"] = num_failed() == 0;
  document["machine"] = machine_;
  document["read_gb_per_s"] = read_bandwidth_;
  document["sections"] = OrderedJson::array();
  for (const auto& [name, seconds] : seconds_) {
    document["sections"].push_back({{"name", name}, {"seconds", seconds}});
  }
  document["checks"] = OrderedJson::array();
  for (const Check& check : checks_) {
    document["checks"].push_back(
        {{"section", check.section},
         {"name", check.name},
         {"passed", check.passed},
         {"detail", check.detail}}
    );
  }
  document["figures"] = OrderedJson::array();
  for (const Figure& figure : figures_) {
    OrderedJson entry = {
        {"section", figure.section},
        {"name", figure.name},
        {"value", figure.value},
        {"unit", figure.unit}
    };
    if (figure.bandwidth_share) entry["bandwidth_share"] = *figure.bandwidth_share;
    document["figures"].push_back(std::move(entry));
  }
  document["notes"] = OrderedJson::array();
  for (const auto& [section, text] : notes_) {
    document["notes"].push_back({{"section", section}, {"text", text}});
  }
  return document;
}

std::string GpuReport::markdown() const {
  std::string text = "# trellis gpu-check\n\n";
  for (const auto& [key, value] : machine_.items()) {
    const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
    text += fmt::format("- {}: {}\n", key, shown);
  }
  if (read_bandwidth_ > 0) text += fmt::format("- read bandwidth: {:.0f} GB/s\n", read_bandwidth_);
  text += fmt::format("\n{} of {} checks passed.\n", num_checks() - num_failed(), num_checks());
  if (!figures_.empty()) {
    text += "\n| figure | value | unit | of the read bandwidth |\n|---|---|---|---|\n";
    for (const Figure& figure : figures_) {
      const std::string share =
          figure.bandwidth_share ? fmt::format("{:.1f} %", 100 * *figure.bandwidth_share) : "";
      text += fmt::format(
          "| {} | {} | {} | {} |\n", cell(figure.name), number_text(figure.value), figure.unit,
          share
      );
    }
  }
  if (!checks_.empty()) {
    text += "\n| section | check | | |\n|---|---|---|---|\n";
    for (const Check& check : checks_) {
      text += fmt::format(
          "| {} | {} | {} | {} |\n", check.section, cell(check.name),
          check.passed ? "passed" : "**FAILED**", cell(check.detail)
      );
    }
  }
  if (!notes_.empty()) text += "\n";
  for (const auto& [section, note] : notes_) text += fmt::format("- {}: {}\n", section, note);
  return text;
}

void GpuReport::write(const std::filesystem::path& folder) const {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw UserError("{}: {}", folder.string(), error.message());
  write_file(
      folder / "report.json",
      json().dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n"
  );
  write_file(folder / "report.md", markdown());
}

}  // namespace trellis
