// What a load test sends, and when: worked out before it begins, from the seed alone, so that the
// same options give the same load.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// A number of tokens: one, or each from `least` to `most` with the same probability.
struct TokenRange {
  int64_t least = 0;
  int64_t most = 0;
};

/// "128" or "100:200". Throws UserError naming the option.
TokenRange parse_token_range(const std::string& text, const std::string& option);

struct PlannedRequest {
  double arrival_s = 0;
  std::string path;  // "/v1/completions", "/v1/chat/completions"
  std::string body;  // JSON
};

/// Numbers that are the same on every machine; those of the standard's distributions are not.
class RandomNumbers {
 public:
  explicit RandomNumbers(uint64_t seed) : engine_(seed) {}
  /// From 0 to below 1.
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  int64_t in(TokenRange range);

 private:
  std::mt19937_64 engine_;
};

/// Times of `count` arrivals, from 0 on: a Poisson process of `rate` a second; all at once where
/// that is infinite.
std::vector<double> arrival_times(int64_t count, double rate, uint64_t seed);

/// What all requests of a test have in common.
struct RequestStyle {
  std::string model;  // empty: the server's first
  uint64_t seed = 0;
};

/// Prompts of ids that are drawn from `vocabulary`, so that their length is exact and no two begin
/// alike; answers of exactly as many tokens as drawn.
std::vector<PlannedRequest> plan_synthetic(
    const std::vector<double>& arrivals, const std::vector<int32_t>& vocabulary, TokenRange input,
    TokenRange output, const RequestStyle& style
);

/// Prompts of a data set, in its order and over again. Each line of the text is a JSON object with
/// `messages`, or with `prompt`. Where output.most is above 0, an answer has at most as many tokens
/// as drawn. Throws UserError naming `origin` and the line.
std::vector<PlannedRequest> plan_dataset(
    const std::vector<double>& arrivals, std::string_view text, const std::string& origin,
    TokenRange output, const RequestStyle& style
);

}  // namespace trellis
