#include "trellis/engine_stats.h"

#include <algorithm>

namespace trellis {
namespace {

const std::vector<double> kTokenBounds = {0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15,
                                          0.2,    0.3,   0.4,  0.5,   0.75, 1.0,   2.5};
const std::vector<double> kRequestBounds = {0.005, 0.01, 0.02, 0.05, 0.1,  0.25, 0.5,   1.0,  2.5,
                                            5.0,   10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0};

}  // namespace

Histogram::Histogram(std::vector<double> upper_bounds)
    : bounds(std::move(upper_bounds)), counts(bounds.size() + 1) {}

void Histogram::add(double value) {
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), value);
  ++counts[static_cast<size_t>(bound - bounds.begin())];
  sum += value;
}

EngineStats::EngineStats()
    : first_token_s(kRequestBounds),
      inter_token_s(kTokenBounds),
      request_s(kRequestBounds),
      queue_s(kRequestBounds),
      step_s(kTokenBounds) {}

const char* finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone:
      return "";
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kError:
      return "error";
  }
  return "";
}

}  // namespace trellis
