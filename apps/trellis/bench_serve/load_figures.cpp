#include "apps/trellis/bench_serve/load_figures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace trellis {
namespace {

double by_time(int64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

}  // namespace

double percentile(std::span<const double> sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(std::floor(place));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return sorted[below] + part * (sorted[above] - sorted[below]);
}

Distribution distribution(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {
      sum / static_cast<double>(values.size()), percentile(values, 0.5), percentile(values, 0.9),
      percentile(values, 0.99)
  };
}

int64_t LoadFigures::num_failed() const {
  int64_t sum = 0;
  for (const auto& [kind, count] : errors) sum += count;
  return sum;
}

double LoadFigures::requests_per_s() const {
  return by_time(num_completed, duration_s);
}

double LoadFigures::output_tokens_per_s() const {
  return by_time(output_tokens, duration_s);
}

double LoadFigures::prompt_tokens_per_s() const {
  return by_time(prompt_tokens, duration_s);
}

LoadFigures load_figures(std::span<const RequestRecord> records) {
  LoadFigures figures;
  std::vector<double> first;
  std::vector<double> gaps;
  std::vector<double> per_token;
  std::vector<double> whole;
  for (const RequestRecord& record : records) {
    figures.duration_s = std::max(figures.duration_s, record.end_s);
    if (!record.completed) {
      record.error.empty() ? ++figures.num_unfinished : ++figures.errors[record.error];
      continue;
    }
    ++figures.num_completed;
    figures.prompt_tokens += record.prompt_tokens;
    figures.output_tokens += record.output_tokens;
    whole.push_back(record.end_s - record.arrival_s);
    if (record.text_s.empty()) continue;
    first.push_back(record.text_s.front() - record.arrival_s);
    for (size_t i = 1; i < record.text_s.size(); ++i) {
      gaps.push_back(record.text_s[i] - record.text_s[i - 1]);
    }
    if (record.output_tokens > 1) {
      const double decode_s = record.text_s.back() - record.text_s.front();
      per_token.push_back(decode_s / static_cast<double>(record.output_tokens - 1));
    }
  }
  figures.first_token_s = distribution(std::move(first));
  figures.inter_token_s = distribution(std::move(gaps));
  figures.per_token_s = distribution(std::move(per_token));
  figures.end_to_end_s = distribution(std::move(whole));
  return figures;
}

}  // namespace trellis
