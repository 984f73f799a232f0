// A load test as a table for people, as JSON for programs, and as a page with plots.
#pragma once

#include "apps/trellis/bench_serve/load_figures.h"
#include "text/chat_template.h"

#include <span>
#include <string>

namespace trellis {

/// What was asked for: shown beside the figures.
struct LoadSettings {
  std::string url;
  std::string model;
  std::string workload;  // "512 tokens in, 128 out", "dataset chats.jsonl"
  double rate = 0;       // infinite: all at once
  int64_t num_requests = 0;
  int64_t concurrency = 0;
  uint64_t seed = 0;
};

std::string load_table(const LoadSettings& settings, const LoadFigures& figures);

/// Times in seconds. The rate is null where it is infinite.
OrderedJson load_json(
    const LoadSettings& settings, const LoadFigures& figures, std::span<const RequestRecord> records
);

/// A page that needs no other file and no script.
std::string load_page(
    const LoadSettings& settings, const LoadFigures& figures, std::span<const RequestRecord> records
);

}  // namespace trellis
