// What the records of a load test say together.
#pragma once

#include "apps/trellis/bench_serve/request_record.h"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace trellis {

/// Seconds. All zero where there was nothing to sum up.
struct Distribution {
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
};

/// The value below which `share` (0 to 1) of the values lie, interpolated linearly between the two
/// nearest of them (Hyndman & Fan 1996, definition 7). The values are sorted and at least one.
double percentile(std::span<const double> sorted, double share);

Distribution distribution(std::vector<double> values);

struct LoadFigures {
  int64_t num_completed = 0;
  std::map<std::string, int64_t> errors;  // how many, by kind
  int64_t num_unfinished = 0;             // neither, since the test was ended before
  int64_t prompt_tokens = 0;              // of what was completed
  int64_t output_tokens = 0;
  double duration_s = 0;  // to the end of the last request

  // Of what was completed. They count from the arrival, which no answer of the server delays.
  Distribution first_token_s;
  Distribution inter_token_s;  // between pieces of text
  Distribution per_token_s;  // of each request: its time after the first piece, by the tokens in it
  Distribution end_to_end_s;

  int64_t num_failed() const;
  double requests_per_s() const;
  double output_tokens_per_s() const;
  double prompt_tokens_per_s() const;
};

LoadFigures load_figures(std::span<const RequestRecord> records);

}  // namespace trellis
