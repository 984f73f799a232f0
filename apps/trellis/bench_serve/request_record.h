// What became of one request of a load test. Times are seconds since the test began.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trellis {

struct RequestRecord {
  double arrival_s = 0;  // when it was to be sent; it may have waited for the cap on concurrency
  double sent_s = 0;
  std::vector<double> text_s;  // when pieces of the answer's text came
  double end_s = 0;            // of the whole answer, or of the failure
  int64_t prompt_tokens = 0;
  int64_t output_tokens = 0;
  bool completed = false;
  std::string error;  // its kind, where it failed; empty too where the test ended before it did
};

}  // namespace trellis
