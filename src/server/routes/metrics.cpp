// GET /metrics: the engines' figures in Prometheus' text format, named as vLLM names its own.
#include "server/routes/endpoints.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace trellis::server {
namespace {

/// What is served, by name: an engine's figures where the model is loaded.
using Models = std::vector<ModelStatus>;

std::string model_label(const ModelStatus& model) {
  std::string label = "model_name=\"";
  for (const char c : model.names.front()) {
    if (c == '\\' || c == '"') label += '\\';
    c == '\n' ? label += "\\n" : label += c;
  }
  return label + '"';
}

/// Writes families of metrics, each with a sample for every model.
class Exposition {
 public:
  explicit Exposition(const Models& models) : models_(models) {}

  void family(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP trellis:{} {}\n# TYPE trellis:{} {}\n", name, help, name, type);
  }

  /// labels: more than the model's name, each after a comma.
  template <typename Number>
  void sample(
      std::string_view name, const ModelStatus& model, std::string_view labels, Number value
  ) {
    text_ += fmt::format("trellis:{}{{{}{}}} {}\n", name, model_label(model), labels, value);
  }

  /// value: of a ModelStatus.
  template <typename Value>
  void of_models(
      std::string_view name, std::string_view type, const Value& value, std::string_view help
  ) {
    family(name, type, help);
    for (const ModelStatus& model : models_) sample(name, model, "", value(model));
  }

  /// Calls write(model, stats) for each that is loaded.
  template <typename Write>
  void for_each_engine(const Write& write) {
    for (const ModelStatus& model : models_) {
      if (model.stats) write(model, *model.stats);
    }
  }

  /// value: of an EngineStats.
  template <typename Value>
  void gauge(std::string_view name, const Value& value, std::string_view help) {
    family(name, "gauge", help);
    for_each_engine([&](const ModelStatus& model, const EngineStats& stats) {
      sample(name, model, "", value(stats));
    });
  }

  void counter(std::string_view name, int64_t EngineStats::* value, std::string_view help) {
    family(name, "counter", help);
    for_each_engine([&](const ModelStatus& model, const EngineStats& stats) {
      sample(name, model, "", stats.*value);
    });
  }

  void histogram(std::string_view name, Histogram EngineStats::* value, std::string_view help) {
    family(name, "histogram", help);
    const std::string bucket = fmt::format("{}_bucket", name);
    for_each_engine([&](const ModelStatus& model, const EngineStats& stats) {
      const Histogram& histogram = stats.*value;
      int64_t cumulative = 0;
      for (size_t i = 0; i < histogram.bounds.size(); ++i) {
        cumulative += histogram.counts[i];
        sample(bucket, model, fmt::format(",le=\"{}\"", histogram.bounds[i]), cumulative);
      }
      cumulative += histogram.counts.back();
      sample(bucket, model, ",le=\"+Inf\"", cumulative);
      sample(fmt::format("{}_sum", name), model, "", histogram.sum);
      sample(fmt::format("{}_count", name), model, "", cumulative);
    });
  }

  /// One family by its tiers: "host" and "disk".
  void by_tier(
      std::string_view name, std::string_view type, int64_t CacheTierStats::* value,
      std::string_view help
  ) {
    family(name, type, help);
    for_each_engine([&](const ModelStatus& model, const EngineStats& stats) {
      sample(name, model, ",tier=\"host\"", stats.host_cache.*value);
      sample(name, model, ",tier=\"disk\"", stats.disk_cache.*value);
    });
  }

  std::string text() && { return std::move(text_); }

 private:
  const Models& models_;
  std::string text_;
};

double cache_usage(const EngineStats& stats) {
  return static_cast<double>(stats.num_used_pages) /
         static_cast<double>(std::max<int64_t>(stats.num_pages, 1));
}

void write_engines(Exposition& out) {
  using S = EngineStats;
  const auto member = [](int64_t S::* value) {
    return [value](const S& stats) { return stats.*value; };
  };
  out.gauge(
      "engine_up", [](const S& stats) { return stats.failed ? 0 : 1; },
      "1 while the engine answers requests."
  );
  out.gauge("num_requests_running", member(&S::num_running), "Requests that are being computed.");
  out.gauge("num_requests_waiting", member(&S::num_waiting), "Requests that wait for their turn.");
  out.gauge("kv_cache_usage_perc", cache_usage, "Part of the cache's pages in use, 1 for all.");
  out.gauge("kv_cache_pages", member(&S::num_pages), "Pages of the cache.");
  out.gauge("kv_cache_used_pages", member(&S::num_used_pages), "Pages of the cache in use.");
  out.counter(
      "prefix_cache_queries_total", &S::prompt_tokens,
      "Prompt tokens that were looked up in the prefix cache."
  );
  out.counter(
      "prefix_cache_hits_total", &S::cached_tokens, "Prompt tokens that the prefix cache had."
  );
  using T = CacheTierStats;
  out.by_tier("cache_tier_pages", "gauge", &T::num_pages, "Pages in the tiers behind the cache.");
  out.by_tier("cache_tier_bytes", "gauge", &T::bytes, "Bytes of them.");
  out.by_tier(
      "cache_tier_capacity_bytes", "gauge", &T::capacity_bytes,
      "Bytes that the tiers may hold; 0 where there is none."
  );
  out.by_tier(
      "cache_tier_hits_total", "counter", &T::num_hits,
      "Pages that were brought back from a tier, from the disk through the host."
  );
  out.by_tier(
      "cache_tier_dropped_total", "counter", &T::num_dropped,
      "Pages that did not get to a tier, since it was behind."
  );
  out.by_tier(
      "cache_tier_failed_total", "counter", &T::num_failed,
      "Pages that could not be written or read."
  );
  out.counter(
      "num_preemptions_total", &S::num_preemptions,
      "Times that a request gave its pages to older ones."
  );
  out.counter("prompt_tokens_total", &S::prompt_tokens, "Prompt tokens taken in.");
  out.counter("generation_tokens_total", &S::generated_tokens, "Tokens generated.");
  out.family("request_success_total", "counter", "Requests that ended, by the reason.");
  out.for_each_engine([&](const ModelStatus& model, const S& stats) {
    for (size_t i = 1; i < kNumFinishReasons; ++i) {
      const char* reason = finish_reason_name(static_cast<FinishReason>(i));
      out.sample(
          "request_success_total", model, fmt::format(",finished_reason=\"{}\"", reason),
          stats.num_finished[i]
      );
    }
  });
  out.histogram(
      "time_to_first_token_seconds", &S::first_token_s, "From the request to its first token."
  );
  out.histogram(
      "inter_token_latency_seconds", &S::inter_token_s, "Between the tokens of a request."
  );
  out.histogram("e2e_request_latency_seconds", &S::request_s, "From the request to its end.");
  out.histogram("request_queue_time_seconds", &S::queue_s, "From the request to its first step.");
  out.histogram("engine_step_seconds", &S::step_s, "Of the engine's steps.");
}

void write_loads(Exposition& out) {
  using M = ModelStatus;
  out.of_models(
      "model_loaded", "gauge", [](const M& model) { return model.info ? 1 : 0; },
      "1 while the model is loaded."
  );
  out.of_models(
      "model_memory_bytes", "gauge", [](const M& model) { return model.memory_bytes; },
      "Memory that the model takes, or is about to, as it was planned."
  );
  out.of_models(
      "model_loads_total", "counter", [](const M& model) { return model.counters.num_loads; },
      "Loads that succeeded."
  );
  out.of_models(
      "model_load_failures_total", "counter",
      [](const M& model) { return model.counters.num_failed_loads; }, "Loads that failed."
  );
  out.of_models(
      "model_load_seconds_total", "counter", [](const M& model) { return model.counters.load_s; },
      "Time that the loads took which succeeded."
  );
  out.of_models(
      "model_unloads_total", "counter", [](const M& model) { return model.counters.num_unloads; },
      "Times that the model was unloaded."
  );
}

}  // namespace

Result<Outcome> metrics(const ServerContext& context, const ApiRequest&) {
  const Models models = context.models.statuses();
  Exposition out(models);
  write_engines(out);
  write_loads(out);
  Reply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = std::move(out).text();
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
