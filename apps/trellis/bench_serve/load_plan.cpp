#include "apps/trellis/bench_serve/load_plan.h"

#include "base/error.h"
#include "base/json.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace trellis {
namespace {

constexpr int64_t kMostTokens = 10'000'000;
constexpr uint64_t kMostSeed = INT64_MAX;  // of the API
// Each purpose has numbers of its own, so that one option does not change what another draws.
constexpr uint64_t kLengthStream = 0x9e3779b97f4a7c15;

std::optional<int64_t> parse_count(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number < 1 || number > kMostTokens) return std::nullopt;
  return number;
}

Json request_json(const RequestStyle& style, size_t index) {
  Json json = {{"stream", true}, {"stream_options", {{"include_usage", true}}}};
  json["seed"] = (style.seed + index) & kMostSeed;
  if (!style.model.empty()) json["model"] = style.model;
  return json;
}

/// The lines that hold something, with their numbers.
std::vector<std::pair<size_t, std::string_view>> filled_lines(std::string_view text) {
  std::vector<std::pair<size_t, std::string_view>> lines;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.emplace_back(number, line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

PlannedRequest dataset_request(std::string_view line, const std::string& where) {
  const Json row = parse_json(line, where);
  const bool is_object = row.is_object();
  PlannedRequest request;
  if (is_object && row.contains("messages") && row["messages"].is_array()) {
    request.path = "/v1/chat/completions";
    request.body = Json({{"messages", row["messages"]}}).dump();
  } else if (is_object && row.contains("prompt") && row["prompt"].is_string()) {
    request.path = "/v1/completions";
    request.body = Json({{"prompt", row["prompt"]}}).dump();
  } else {
    throw UserError(
        "{}: expected an object with \"messages\", an array, or with \"prompt\", a string", where
    );
  }
  return request;
}

}  // namespace

TokenRange parse_token_range(const std::string& text, const std::string& option) {
  const size_t colon = text.find(':');
  const auto least = parse_count(std::string_view(text).substr(0, colon));
  const auto most =
      colon == std::string::npos ? least : parse_count(std::string_view(text).substr(colon + 1));
  if (!least || !most || *least > *most) {
    throw UserError(
        "{}: expected a number of tokens such as 128, or a range such as 100:200, found \"{}\"",
        option, text
    );
  }
  return {*least, *most};
}

int64_t RandomNumbers::in(TokenRange range) {
  const auto width = static_cast<double>(range.most - range.least + 1);
  return range.least + static_cast<int64_t>(uniform() * width);
}

std::vector<double> arrival_times(int64_t count, double rate, uint64_t seed) {
  RandomNumbers numbers(seed);
  std::vector<double> times(static_cast<size_t>(count), 0.0);
  if (std::isinf(rate)) return times;
  for (size_t i = 1; i < times.size(); ++i) {
    times[i] = times[i - 1] - std::log1p(-numbers.uniform()) / rate;
  }
  return times;
}

std::vector<PlannedRequest> plan_synthetic(
    const std::vector<double>& arrivals, const std::vector<int32_t>& vocabulary, TokenRange input,
    TokenRange output, const RequestStyle& style
) {
  RandomNumbers numbers(style.seed ^ kLengthStream);
  const TokenRange places = {0, static_cast<int64_t>(vocabulary.size()) - 1};
  std::vector<PlannedRequest> plan;
  for (size_t i = 0; i < arrivals.size(); ++i) {
    std::vector<int32_t> prompt(static_cast<size_t>(numbers.in(input)));
    for (int32_t& id : prompt) id = vocabulary[static_cast<size_t>(numbers.in(places))];
    Json json = request_json(style, i);
    json["prompt"] = std::move(prompt);
    json["max_tokens"] = numbers.in(output);
    json["ignore_eos"] = true;
    plan.push_back({arrivals[i], "/v1/completions", json.dump()});
  }
  return plan;
}

std::vector<PlannedRequest> plan_dataset(
    const std::vector<double>& arrivals, std::string_view text, const std::string& origin,
    TokenRange output, const RequestStyle& style
) {
  std::vector<PlannedRequest> rows;
  for (const auto& [number, line] : filled_lines(text)) {
    rows.push_back(dataset_request(line, fmt::format("{}:{}", origin, number)));
  }
  if (rows.empty()) {
    throw UserError("{}: expected one JSON object a line, and found no line with one", origin);
  }
  RandomNumbers numbers(style.seed ^ kLengthStream);
  std::vector<PlannedRequest> plan;
  for (size_t i = 0; i < arrivals.size(); ++i) {
    PlannedRequest request = rows[i % rows.size()];
    request.arrival_s = arrivals[i];
    Json json = request_json(style, i);
    json.update(Json::parse(request.body));
    if (output.most > 0) json["max_tokens"] = numbers.in(output);
    request.body = json.dump();
    plan.push_back(std::move(request));
  }
  return plan;
}

}  // namespace trellis
