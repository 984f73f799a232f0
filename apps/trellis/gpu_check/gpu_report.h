// What `trellis gpu-check` finds, as it finds it: checks that passed or failed, and figures.
// Written as report.json and report.md.
#pragma once

#include "text/chat_template.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

class GpuReport {
 public:
  /// machine: what is to stand above everything, in this order.
  explicit GpuReport(OrderedJson machine) : machine_(std::move(machine)) {}

  /// Runs one section. What it throws becomes a failed check, and the next section can run.
  void section(const std::string& name, const std::function<void()>& run);

  void check(const std::string& name, bool passed, const std::string& detail);
  /// A check of what fn does: it fails by throwing, too. fn returns whether it passed, and details.
  void check(const std::string& name, const std::function<std::pair<bool, std::string>()>& fn);
  /// What is neither a check nor a figure.
  void note(const std::string& text);
  /// bandwidth_share: of the read bandwidth measured on this device.
  void figure(
      const std::string& name, double value, const std::string& unit,
      std::optional<double> bandwidth_share = std::nullopt
  );

  /// GB/s; 0 until it is measured.
  double read_bandwidth() const { return read_bandwidth_; }
  void set_read_bandwidth(double gb_per_s) { read_bandwidth_ = gb_per_s; }

  size_t num_failed() const;
  size_t num_checks() const { return checks_.size(); }

  /// Writes both files into the folder, which is made. Throws UserError.
  void write(const std::filesystem::path& folder) const;

 private:
  struct Check {
    std::string section;
    std::string name;
    bool passed;
    std::string detail;
  };
  struct Figure {
    std::string section;
    std::string name;
    double value;
    std::string unit;
    std::optional<double> bandwidth_share;
  };

  OrderedJson json() const;
  std::string markdown() const;

  OrderedJson machine_;
  double read_bandwidth_ = 0;
  std::string section_;
  std::vector<std::pair<std::string, double>> seconds_;  // of the sections that have ended
  std::vector<Check> checks_;
  std::vector<Figure> figures_;
  std::vector<std::pair<std::string, std::string>> notes_;  // section and text
};

}  // namespace trellis
