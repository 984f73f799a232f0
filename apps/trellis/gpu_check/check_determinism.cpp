#include "apps/trellis/gpu_check/model_texts.h"
#include "apps/trellis/gpu_check/sections.h"
#include "base/result.h"
#include "checkpoint/model_config.h"
#include "trellis/engine.h"

#include <algorithm>
#include <filesystem>
#include <memory>

namespace trellis {
namespace {

constexpr int kSequences = 4;
constexpr int64_t kAnswerTokens = 48;
constexpr int64_t kContextTokens = kMostTextTokens + kAnswerTokens;

std::unique_ptr<Engine> load(const std::string& directory, const GpuCheckOptions& options) {
  EngineOptions engine;
  engine.model_directory = directory;
  engine.backend = options.backend;
  engine.max_sequences = kSequences;
  engine.deterministic = true;
  engine.context_tokens =
      std::min(kContextTokens, read_model_config(directory).max_position_embeddings);
  engine.cache_tokens = kSequences * kContextTokens;
  return Engine::load(engine);
}

/// Every way to cut a vocabulary, and to change its logits, has its turn.
SamplingParams sampling(uint64_t seed) {
  SamplingParams params;
  params.seed = seed;
  if (seed == 1) params.top_p = 0.95f;
  if (seed == 2) {
    params.temperature = 0.8f;
    params.top_k = 50;
    params.top_p = 0.9f;
  }
  if (seed == 3) {
    params.min_p = 0.01f;
    params.repetition_penalty = 1.1f;
    params.frequency_penalty = 0.2f;
  }
  return params;
}

/// How the tokens of a list of requests are asked for.
enum class Asking : uint8_t { kInTurn, kAtOnce, kInTurnOnHost };

Request request(const ModelText& text, uint64_t seed, Asking asking) {
  Request request;
  request.prompt_ids = text.prompt;
  request.sampling = sampling(seed);
  request.ignore_eos = true;
  request.max_tokens = kAnswerTokens;
  // The host chooses for those who ask for log probabilities.
  request.logprobs = asking == Asking::kInTurnOnHost ? 0 : -1;
  return request;
}

std::unique_ptr<EventStream> submit(Engine& engine, Request request) {
  auto stream = engine.submit(std::move(request));
  if (!stream.ok()) throw UserError("{}", stream.error().message);
  return std::move(stream.value());
}

std::vector<int32_t> tokens_of(EventStream& stream) {
  std::vector<int32_t> tokens;
  while (const auto event = stream.next()) {
    tokens.insert(tokens.end(), event->token_ids.begin(), event->token_ids.end());
    if (event->finish_reason == FinishReason::kError) throw UserError("{}", event->error);
  }
  return tokens;
}

/// The answers to the requests of all seeds.
std::vector<std::vector<int32_t>> answers(Engine& engine, const ModelText& text, Asking asking) {
  const bool at_once = asking == Asking::kAtOnce;
  std::vector<std::unique_ptr<EventStream>> streams;
  std::vector<std::vector<int32_t>> answers;
  for (uint64_t seed = 0; seed < kSequences; ++seed) {
    streams.push_back(submit(engine, request(text, seed, asking)));
    if (!at_once) answers.push_back(tokens_of(*streams.back()));
  }
  if (!at_once) return answers;
  for (const auto& stream : streams) answers.push_back(tokens_of(*stream));
  return answers;
}

std::pair<bool, std::string> same_tokens(
    const std::vector<std::vector<int32_t>>& actual,
    const std::vector<std::vector<int32_t>>& expected
) {
  size_t tokens = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    for (size_t at = 0; at < expected[i].size(); ++at, ++tokens) {
      if (at < actual[i].size() && actual[i][at] == expected[i][at]) continue;
      return {false, fmt::format("seed {} differs from its token {} on", i, at)};
    }
  }
  return {true, fmt::format("{} answers, {} tokens", expected.size(), tokens)};
}

}  // namespace

void check_determinism(const GpuCheckOptions& options, GpuReport& report) {
  for (const std::string& directory : options.models) {
    const std::string name = std::filesystem::path(directory).filename().string();
    const ModelText text = model_texts(directory).front();
    std::unique_ptr<Engine> engine = load(directory, options);
    const auto expected = answers(*engine, text, Asking::kInTurn);
    report.check(name + ", the same seeds again", [&] {
      return same_tokens(answers(*engine, text, Asking::kInTurn), expected);
    });
    report.check(name + ", side by side", [&] {
      return same_tokens(answers(*engine, text, Asking::kAtOnce), expected);
    });
    report.check(name + ", chosen by the host", [&] {
      return same_tokens(answers(*engine, text, Asking::kInTurnOnHost), expected);
    });
    report.check(name + ", loaded again", [&] {
      engine = load(directory, options);
      return same_tokens(answers(*engine, text, Asking::kInTurn), expected);
    });
  }
}

}  // namespace trellis
