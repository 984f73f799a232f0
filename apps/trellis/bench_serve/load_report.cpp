#include "apps/trellis/bench_serve/load_report.h"

#include <fmt/format.h>

#include <cmath>

namespace trellis {
namespace {

struct Row {
  const char* label;
  const char* key;
  Distribution LoadFigures::* values;
};

constexpr Row kRows[] = {
    {"time to first token", "time_to_first_token_s", &LoadFigures::first_token_s},
    {"between pieces", "inter_token_s", &LoadFigures::inter_token_s},
    {"time per token", "time_per_output_token_s", &LoadFigures::per_token_s},
    {"end to end", "end_to_end_s", &LoadFigures::end_to_end_s},
};

std::string rate_text(double rate) {
  return std::isinf(rate) ? "all at once" : fmt::format("{:g} a second", rate);
}

OrderedJson distribution_json(const Distribution& values) {
  return {{"mean", values.mean}, {"p50", values.p50}, {"p90", values.p90}, {"p99", values.p99}};
}

OrderedJson record_json(const RequestRecord& record) {
  OrderedJson json = {
      {"arrival_s", record.arrival_s},
      {"sent_s", record.sent_s},
      {"first_token_s", nullptr},
      {"end_s", record.end_s},
      {"prompt_tokens", record.prompt_tokens},
      {"output_tokens", record.output_tokens},
      {"completed", record.completed},
      {"error", nullptr}
  };
  if (!record.text_s.empty()) json["first_token_s"] = record.text_s.front();
  if (!record.error.empty()) json["error"] = record.error;
  return json;
}

}  // namespace

std::string load_table(const LoadSettings& settings, const LoadFigures& figures) {
  std::string text = fmt::format(
      "{} at {}: {}, {} requests {}, at most {} under way\n", settings.model, settings.url,
      settings.workload, settings.num_requests, rate_text(settings.rate), settings.concurrency
  );
  text += fmt::format(
      "  completed {}, failed {}, not finished {}, in {:.2f} s\n", figures.num_completed,
      figures.num_failed(), figures.num_unfinished, figures.duration_s
  );
  for (const auto& [kind, count] : figures.errors)
    text += fmt::format("    {} x {}\n", count, kind);
  text += fmt::format(
      "  {:.2f} requests/s, {:.1f} tokens/s generated, {:.1f} tokens/s of prompts\n",
      figures.requests_per_s(), figures.output_tokens_per_s(), figures.prompt_tokens_per_s()
  );
  text += fmt::format("  {:20}{:>10}{:>10}{:>10}{:>10}\n", "ms", "mean", "p50", "p90", "p99");
  for (const Row& row : kRows) {
    const Distribution& values = figures.*row.values;
    text += fmt::format(
        "  {:20}{:10.1f}{:10.1f}{:10.1f}{:10.1f}\n", row.label, 1e3 * values.mean, 1e3 * values.p50,
        1e3 * values.p90, 1e3 * values.p99
    );
  }
  return text;
}

OrderedJson load_json(
    const LoadSettings& settings, const LoadFigures& figures, std::span<const RequestRecord> records
) {
  OrderedJson json = {
      {"url", settings.url},
      {"model", settings.model},
      {"workload", settings.workload},
      {"rate_per_s", nullptr},
      {"requests", settings.num_requests},
      {"concurrency", settings.concurrency},
      {"seed", settings.seed},
      {"completed", figures.num_completed},
      {"failed", figures.num_failed()},
      {"unfinished", figures.num_unfinished},
      {"errors", figures.errors},
      {"duration_s", figures.duration_s},
      {"requests_per_s", figures.requests_per_s()},
      {"prompt_tokens", figures.prompt_tokens},
      {"output_tokens", figures.output_tokens},
      {"prompt_tokens_per_s", figures.prompt_tokens_per_s()},
      {"output_tokens_per_s", figures.output_tokens_per_s()}
  };
  if (!std::isinf(settings.rate)) json["rate_per_s"] = settings.rate;
  for (const Row& row : kRows) json[row.key] = distribution_json(figures.*row.values);
  json["records"] = OrderedJson::array();
  for (const RequestRecord& record : records) json["records"].push_back(record_json(record));
  return json;
}

}  // namespace trellis
