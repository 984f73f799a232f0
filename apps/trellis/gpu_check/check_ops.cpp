#include "apps/trellis/gpu_check/sections.h"
#include "backend/op_cases.h"
#include "backend/op_comparison.h"

#include <regex.h>

#include <array>
#include <memory>

namespace trellis {
namespace {

using test::OpCase;
using test::OpComparison;
using test::OpGroup;

/// Runs every case of a group, also after one has failed.
std::pair<bool, std::string> run_group(
    const OpGroup& group, Backend& backend, ActivationPrecision activations, Backend& reference
) {
  size_t failed = 0;
  std::string first_failure;
  double nearest = 0;  // to the limit, as a share of it
  for (const OpCase& op_case : group.cases) {
    std::string failure;
    try {
      const OpComparison comparison = compare_op(op_case, backend, activations, reference);
      if (comparison.limit > 0) nearest = std::max(nearest, comparison.error / comparison.limit);
      if (!comparison.passed()) {
        failure = fmt::format(
            "row {} is off by {:.3g}, allowed are {:.3g}", comparison.row, comparison.error,
            comparison.limit
        );
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (failure.empty()) continue;
    if (failed++ == 0) first_failure = fmt::format("; {}: {}", op_case.name, failure);
  }
  return {
      failed == 0, fmt::format(
                       "{} of {} cases pass, the largest error is {:.2f} of what is allowed{}",
                       group.cases.size() - failed, group.cases.size(), nearest, first_failure
                   )
  };
}

/// An extended regular expression of POSIX: std::regex draws false warnings from g++ 12 under the
/// sanitizers.
class CasePattern {
 public:
  explicit CasePattern(const std::string& pattern) {
    const int status = regcomp(&compiled_, pattern.c_str(), REG_EXTENDED | REG_NOSUB);
    if (status == 0) return;
    std::array<char, 128> reason{};
    regerror(status, &compiled_, reason.data(), reason.size());
    throw UserError("--cases {}: not a regular expression: {}", pattern, reason.data());
  }
  ~CasePattern() { regfree(&compiled_); }
  CasePattern(const CasePattern&) = delete;
  CasePattern& operator=(const CasePattern&) = delete;

  bool is_found_in(const std::string& text) const {
    return regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
};

/// The groups with the cases that the pattern finds; none without any.
std::vector<OpGroup> chosen_groups(const std::string& pattern) {
  std::vector<OpGroup> groups = test::op_groups();
  const CasePattern wanted(pattern);
  for (OpGroup& group : groups) {
    std::erase_if(group.cases, [&](const OpCase& op_case) {
      return !wanted.is_found_in(group.name + ": " + op_case.name);
    });
  }
  std::erase_if(groups, [](const OpGroup& group) { return group.cases.empty(); });
  if (groups.empty()) throw UserError("--cases {}: found in the name of no case", pattern);
  return groups;
}

}  // namespace

void check_ops(const GpuCheckOptions& options, GpuReport& report) {
  const std::vector<OpGroup> groups = chosen_groups(options.cases);
  const auto reference = create_backend("reference", {});
  for (const auto activations : {ActivationPrecision::kAuto, ActivationPrecision::kFloat32}) {
    const bool exact = activations == ActivationPrecision::kFloat32;
    const auto backend = create_backend(options.backend, {0, activations});
    for (const OpGroup& group : groups) {
      if (exact && !group.may_round) continue;
      report.check(group.name + (exact ? ", fp32 activations" : ""), [&] {
        return run_group(group, *backend, activations, *reference);
      });
    }
  }
}

}  // namespace trellis
