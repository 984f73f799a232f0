// The public C++ API: load a model, submit requests, read their events. The server, the command
// line and embedders all use this and nothing below it.
#pragma once

#include "trellis/engine_stats.h"
#include "trellis/grammar.h"
#include "trellis/sampling_params.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

class ChatTemplate;
class Tokenizer;
struct ApiError;
template <typename T>
class Result;

struct EngineOptions {
  std::string model_directory;
  std::string backend = "auto";    // "auto", "cuda", "cpu" or "reference"
  int device = 0;                  // which GPU, as `trellis devices` numbers them
  int num_threads = 0;             // 0: one per CPU
  bool exact_activations = false;  // true: no layer rounds its input (--activations fp32)
  int64_t context_tokens =
      0;                     // most tokens of one sequence; 0: the model's own limit, at most 32768
  int64_t cache_tokens = 0;  // tokens of all sequences together; 0: one full context
  int64_t host_cache_bytes = 0;  // of the host's memory, for pages that the cache has no room for:
                                 // what was computed in them is copied back when it is wanted
  std::string cache_directory;   // where pages outlive the process; empty: nowhere. It is of this
                                 // process alone, and takes the host's memory for one context
                                 // and 16 pages at least
  int64_t cache_directory_bytes = int64_t{16} << 30;  // that it may hold
  std::string cache_type = "fp16";  // of keys and values: "fp16", "fp32", "q2" to "q8", or each
                                    // apart: "q8,q4"
  bool fit = false;                 // true: where memory is short, fewer bits of the cache, then
                                    // fewer tokens, instead of an error
  int max_sequences = 16;           // sequences that run side by side
  int max_step_tokens = 512;   // token budget of one step: prompt chunks and single tokens together
  bool deterministic = false;  // true: on a GPU, too, an answer does not depend on what runs beside
                               // it; steps are smaller there, and prompts slower
};

/// How the hidden states of a prompt become one vector: their mean, or the last one.
enum class Pooling : uint8_t { kMean, kLast };

/// How long an answer may think: between an opening and a closing tag.
struct ReasoningBudget {
  std::string open;
  std::string close;
  bool is_open = false;  // the prompt ends with the opening tag; else the answer may begin with it
  int64_t max_tokens = 0;  // of the thoughts; then the closing tag comes
};

struct Request {
  std::vector<int32_t> prompt_ids;
  SamplingParams sampling;
  std::optional<int64_t> max_tokens;    // exactly that many at most, the stop token included; none:
                                        // what the context holds; 0: the prompt is computed alone
  int64_t min_tokens = 0;               // stop tokens are masked until that many tokens have come
  std::vector<int32_t> stop_token_ids;  // beside the model's own
  std::vector<std::string> stop_strings;  // empty ones are ignored; one that spells a special token
                                          // stops at that token
  std::vector<std::string> banned_strings;  // in upper or lower case, never in the answer: it is
                                            // taken back to where one began and goes on otherwise;
                                            // empty ones are ignored
  bool ignore_eos = false;                  // the model's own stop tokens do not stop
  std::string cache_salt;  // requests of another salt share no computed prompts with this one, and
                           // cannot tell by the time they take what it asked
  int priority = 0;        // of those that wait, higher ones start first, whenever they came
  std::optional<Grammar> grammar;  // what the answer must look like: it then stops where this
                                   // allows it to, and no token comes that this does not allow
  std::optional<ReasoningBudget> reasoning;  // none: thoughts may be as long as the answer
  std::vector<int32_t> spelled_tokens;  // special tokens that the text spells out; others leave no
                                        // trace in it
  int logprobs = -1;         // >= 0: report each token's log probability and that many alternatives
  int prompt_logprobs = -1;  // >= 0: the same for the prompt, all of which is computed for it:
                             // nothing of it is taken from earlier requests
  std::optional<Pooling> pooling;  // no answer, but an embedding of the prompt
};

/// Whether the request ends with its prompt.
inline bool is_prompt_only(const Request& request) {
  return request.pooling.has_value() || request.max_tokens == 0;
}

/// Natural logarithms of the raw model's probabilities, before any sampling parameter.
struct TokenLogprob {
  int32_t token_id = 0;
  float logprob = 0.0f;
  std::vector<std::pair<int32_t, float>> top;  // most probable first
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t decode_tokens = 0;  // tokens generated
  int64_t cached_tokens = 0;  // of the prompt, found computed by earlier requests
  int num_preemptions = 0;    // times that it had to give its memory to older requests and wait
  double prompt_s = 0.0;      // from the first step to the first token
  double decode_s = 0.0;      // from the first token to the last
};

/// One piece of an answer. text never holds half a code point, nor any part of a matched stop
/// string.
struct Event {
  std::string text;
  std::vector<int32_t> token_ids;  // every token generated, a stop token included
  std::vector<TokenLogprob> logprobs;
  std::vector<TokenLogprob> prompt_logprobs;  // from the second token of the prompt on; all are in
                                              // the first event
  std::vector<float> embedding;  // [hidden], of length 1: pooled from what the final norm leaves
  bool finished = false;         // the last event of its stream
  FinishReason finish_reason = FinishReason::kNone;
  std::string stop_string;  // kStop: the stop string that was met; empty: it was a token
  std::string error;        // kError: what happened
  Usage usage;              // complete in the last event

  /// Adds the event that follows, so that this one stands for both.
  void append(Event next);
};

/// The events of one request. One thread reads it; cancel() may be called from any. Destruction
/// cancels.
class EventStream {
 public:
  virtual ~EventStream() = default;
  /// Waits for the next event; nothing after the one marked finished.
  virtual std::optional<Event> next() = 0;
  /// The next event if there is one now; never waits.
  virtual std::optional<Event> try_next() = 0;
  /// wake() is called whenever try_next() has something to give and had nothing before: by the
  /// engine thread, which holds no lock then and has no time to spare, or at once by this call.
  /// wake must not throw; it may still be running on the engine thread when this stream is gone, so
  /// what it touches must outlive the stream.
  virtual void on_ready(std::function<void()> wake) = 0;
  /// Ends the request soon; a final event with kCancelled follows unless it had finished.
  virtual void cancel() = 0;
};

/// What was loaded, for reports.
struct ModelInfo {
  std::string architecture;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;     // numbers of an embedding
  int64_t context_tokens = 0;  // of one sequence, as the engine serves it
  size_t weight_bytes = 0;
  size_t cache_bytes = 0;
  std::string cache_type;  // as EngineOptions names it
  double load_s = 0.0;
  std::string backend;  // e.g. "cpu avx512, 2 threads"
};

/// One model on one device, served by one engine thread. Every method may be called from any
/// thread.
class Engine {
 public:
  /// Progress of loading: bytes done of all bytes.
  using Progress = std::function<void(size_t done, size_t total)>;

  /// Loads the model and starts the engine thread. Throws UserError with one clear sentence.
  static std::unique_ptr<Engine> load(const EngineOptions& options, const Progress& progress = {});
  virtual ~Engine() = default;

  /// Queues a request. An invalid one (empty prompt, prompt longer than the context, bad parameter,
  /// a grammar that does not compile) is an ApiError; so is one that comes when too many wait, or
  /// when the engine has failed. A grammar that was not asked for lately is compiled first, which
  /// may take seconds.
  virtual Result<std::unique_ptr<EventStream>> submit(Request request) = 0;
  /// Ends every request with an error, soon, and refuses those that come. Never waits.
  virtual void stop() = 0;

  virtual const ModelInfo& info() const = 0;
  virtual EngineStats stats() const = 0;
  virtual const Tokenizer& tokenizer() const = 0;
  /// Null when the model has none.
  virtual const ChatTemplate* chat_template() const = 0;
  /// generation_config.json of the model: what it wants to be sampled with.
  virtual const SamplingParams& default_sampling() const = 0;
};

}  // namespace trellis
