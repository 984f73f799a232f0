// GET /metrics: the engine's figures in Prometheus' text format, named as vLLM names its own.
#include "server/routes/endpoints.h"

#include <string_view>

namespace trellis::server {
namespace {

/// Writes families of metrics, all with the model's name as a label.
class Exposition {
 public:
  explicit Exposition(const std::string& model_name) : model_label_("model_name=\"") {
    for (const char c : model_name) {
      if (c == '\\' || c == '"') model_label_ += '\\';
      c == '\n' ? model_label_ += "\\n" : model_label_ += c;
    }
    model_label_ += '"';
  }

  template <typename Number>
  void gauge(std::string_view name, Number value, std::string_view help) {
    family(name, "gauge", help);
    sample(name, "", value);
  }

  void counter(std::string_view name, int64_t value, std::string_view help) {
    family(name, "counter", help);
    sample(name, "", value);
  }

  void histogram(std::string_view name, const Histogram& histogram, std::string_view help) {
    family(name, "histogram", help);
    const std::string bucket = fmt::format("{}_bucket", name);
    int64_t cumulative = 0;
    for (size_t i = 0; i < histogram.bounds.size(); ++i) {
      cumulative += histogram.counts[i];
      sample(bucket, fmt::format(",le=\"{}\"", histogram.bounds[i]), cumulative);
    }
    cumulative += histogram.counts.back();
    sample(bucket, ",le=\"+Inf\"", cumulative);
    sample(fmt::format("{}_sum", name), "", histogram.sum);
    sample(fmt::format("{}_count", name), "", cumulative);
  }

  void family(std::string_view name, std::string_view type, std::string_view help) {
    text_ += fmt::format("# HELP trellis:{} {}\n# TYPE trellis:{} {}\n", name, help, name, type);
  }

  /// labels: more than the model's name, each after a comma.
  template <typename Number>
  void sample(std::string_view name, std::string_view labels, Number value) {
    text_ += fmt::format("trellis:{}{{{}{}}} {}\n", name, model_label_, labels, value);
  }

  /// One family by its tiers: "host" and "disk".
  void by_tier(
      std::string_view name, std::string_view type, int64_t host, int64_t disk,
      std::string_view help
  ) {
    family(name, type, help);
    sample(name, ",tier=\"host\"", host);
    sample(name, ",tier=\"disk\"", disk);
  }

  std::string text() && { return std::move(text_); }

 private:
  std::string model_label_;
  std::string text_;
};

}  // namespace

Result<Outcome> metrics(const ServerContext& context, const ApiRequest&) {
  const EngineStats stats = context.engine.stats();
  const auto used = static_cast<double>(stats.num_used_pages);
  const auto pages = static_cast<double>(std::max<int64_t>(stats.num_pages, 1));

  Exposition out(context.model_names.front());
  out.gauge("engine_up", stats.failed ? 0 : 1, "1 while the engine answers requests.");
  out.gauge("num_requests_running", stats.num_running, "Requests that are being computed.");
  out.gauge("num_requests_waiting", stats.num_waiting, "Requests that wait for their turn.");
  out.gauge("kv_cache_usage_perc", used / pages, "Part of the cache's pages in use, 1 for all.");
  out.gauge("kv_cache_pages", stats.num_pages, "Pages of the cache.");
  out.gauge("kv_cache_used_pages", stats.num_used_pages, "Pages of the cache in use.");
  out.counter(
      "prefix_cache_queries_total", stats.prompt_tokens,
      "Prompt tokens that were looked up in the prefix cache."
  );
  out.counter(
      "prefix_cache_hits_total", stats.cached_tokens, "Prompt tokens that the prefix cache had."
  );
  const CacheTierStats& host = stats.host_cache;
  const CacheTierStats& disk = stats.disk_cache;
  out.by_tier(
      "cache_tier_pages", "gauge", host.num_pages, disk.num_pages,
      "Pages in the tiers behind the cache."
  );
  out.by_tier("cache_tier_bytes", "gauge", host.bytes, disk.bytes, "Bytes of them.");
  out.by_tier(
      "cache_tier_capacity_bytes", "gauge", host.capacity_bytes, disk.capacity_bytes,
      "Bytes that the tiers may hold; 0 where there is none."
  );
  out.by_tier(
      "cache_tier_hits_total", "counter", host.num_hits, disk.num_hits,
      "Pages that were brought back from a tier, from the disk through the host."
  );
  out.by_tier(
      "cache_tier_dropped_total", "counter", host.num_dropped, disk.num_dropped,
      "Pages that did not get to a tier, since it was behind."
  );
  out.by_tier(
      "cache_tier_failed_total", "counter", host.num_failed, disk.num_failed,
      "Pages that could not be written or read."
  );
  out.counter(
      "num_preemptions_total", stats.num_preemptions,
      "Times that a request gave its pages to older ones."
  );
  out.counter("prompt_tokens_total", stats.prompt_tokens, "Prompt tokens taken in.");
  out.counter("generation_tokens_total", stats.generated_tokens, "Tokens generated.");
  out.family("request_success_total", "counter", "Requests that ended, by the reason.");
  for (size_t i = 1; i < kNumFinishReasons; ++i) {
    const char* reason = finish_reason_name(static_cast<FinishReason>(i));
    out.sample(
        "request_success_total", fmt::format(",finished_reason=\"{}\"", reason),
        stats.num_finished[i]
    );
  }
  out.histogram(
      "time_to_first_token_seconds", stats.first_token_s, "From the request to its first token."
  );
  out.histogram(
      "inter_token_latency_seconds", stats.inter_token_s, "Between the tokens of a request."
  );
  out.histogram("e2e_request_latency_seconds", stats.request_s, "From the request to its end.");
  out.histogram("request_queue_time_seconds", stats.queue_s, "From the request to its first step.");
  out.histogram("engine_step_seconds", stats.step_s, "Of the engine's steps.");

  Reply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = std::move(out).text();
  return Outcome(std::move(reply));
}

}  // namespace trellis::server
