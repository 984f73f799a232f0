// The engine: one thread that admits requests, plans steps, runs them and hands out tokens.
#include "trellis/engine.h"

#include "base/bounded_queue.h"
#include "base/log.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "checkpoint/model_config.h"
#include "engine/engine_metrics.h"
#include "engine/generation.h"
#include "engine/loaded_model.h"
#include "engine/loaded_text.h"
#include "engine/request_check.h"
#include "engine/scheduler.h"
#include "text/grammar.h"
#include "text/token_search.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

namespace trellis {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kInboxCapacity = 1024;
constexpr int kMaxMaskWorkers = 4;
/// How long a step waits for grammars, at each of two places, before the others go on without them.
constexpr std::chrono::milliseconds kGrammarPatience{10};
/// How long the engine looks at the disk alone before it looks for requests again.
constexpr std::chrono::milliseconds kDiskPatience{2};
/// How long pages may still be written when the engine ends.
constexpr std::chrono::seconds kFlushPatience{10};

class ChannelStream final : public EventStream {
 public:
  explicit ChannelStream(std::shared_ptr<EventChannel> channel) : channel_(std::move(channel)) {}
  ~ChannelStream() override { channel_->cancel(); }
  std::optional<Event> next() override { return channel_->pop(); }
  std::optional<Event> try_next() override { return channel_->try_pop(); }
  void on_ready(std::function<void()> wake) override { channel_->on_ready(std::move(wake)); }
  void cancel() override { channel_->cancel(); }

 private:
  std::shared_ptr<EventChannel> channel_;
};

struct Submission {
  Request request;
  std::unique_ptr<Constraint> constraint;  // null: no grammar
  std::shared_ptr<EventChannel> channel;
  Clock::time_point submitted;
};

class EngineImpl final : public Engine {
 public:
  EngineImpl(const EngineOptions& options, const Progress& progress);
  ~EngineImpl() override;

  Result<std::unique_ptr<EventStream>> submit(Request request) override;
  void stop() override;
  const ModelInfo& info() const override { return model_.info; }
  EngineStats stats() const override;
  const Tokenizer& tokenizer() const override { return *text_.tokenizer; }
  const ChatTemplate* chat_template() const override { return text_.chat_template.get(); }
  const SamplingParams& default_sampling() const override { return text_.generation.sampling; }

 private:
  using Generations = std::vector<std::unique_ptr<Generation>>;

  // Engine thread.
  void loop();
  void admit(bool idle);
  void start(Submission submission);
  void drop_cancelled();
  /// Tells the metrics what runs and waits.
  void note_load();
  /// Lets those go on whose grammars have caught up by then.
  void release_held(Clock::time_point until);
  /// Computes a step behind the choice that is under way, and begins the next choice: the device
  /// goes on while the host works on tokens. What ends an answer is seen one step late.
  void run_step(const std::vector<Scheduler::Planned>& planned);
  /// The hidden states of a step that a generation wants, by row.
  struct WantedStates {
    Generation* generation;
    int64_t first_row;
    int64_t num_rows;
  };
  /// Hands out hidden states of the step's prompts, a bounded part of their logits at a time.
  void read_states(const std::vector<WantedStates>& wanted);
  /// Waits for the tokens that the device is choosing and appends them. Takes generations out of
  /// next_rows whose rows of the step under way are of no use then.
  void take_chosen(std::vector<Generation*>& next_rows);
  /// Lets the device begin to choose the next tokens of generations, by row of the logits, as far
  /// as they suit it.
  void choose_on_device(const std::vector<Generation*>& rows);
  /// Calls append_token(), which says whether the answer is complete. False where it is, or had to
  /// be given up: the generation is gone then.
  bool advance(Generation& generation, const std::function<bool()>& append_token);
  void finish(Generation& generation);
  void fail_all(const std::string& message);
  /// Writes what is worth keeping, at the end.
  void save_pages();

  LoadedText text_;
  std::unique_ptr<GrammarCache> grammars_;
  LoadedModel model_;
  std::unique_ptr<Scheduler> scheduler_;
  EngineMetrics metrics_;
  Generations generations_;
  /// By row, the generations whose next tokens the device is choosing; null: of no use any more.
  std::vector<Generation*> choosing_;

  MaskWorkers mask_workers_{std::min(kMaxMaskWorkers, ThreadPool::available_cpus())};
  BoundedQueue<Submission> inbox_{kInboxCapacity};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::thread thread_;
};

EngineImpl::EngineImpl(const EngineOptions& options, const Progress& progress) {
  const Clock::time_point begin = Clock::now();
  check_options(options);
  const std::filesystem::path directory(options.model_directory);
  if (!std::filesystem::is_directory(directory)) {
    throw UserError("{}: no such model directory", directory.string());
  }
  const ModelConfig config = read_model_config(directory);
  text_ = load_text(directory, config);
  grammars_ = std::make_unique<GrammarCache>(*text_.tokenizer);
  model_ = load_model_and_cache(options, config, progress);
  scheduler_ = std::make_unique<Scheduler>(
      SchedulerOptions{options.max_sequences, model_.max_step_tokens}, model_.prefixes.get(),
      model_.tiers->below()
  );
  ModelInfo& info = model_.info;
  info.load_s = std::chrono::duration<double>(Clock::now() - begin).count();
  log_info(
      "loaded model={} architecture={} backend=\"{}\" weights_mib={:.0f} context={} "
      "cache_type={} cache_mib={:.0f} seconds={:.2f}",
      directory.string(), info.architecture, info.backend,
      static_cast<double>(info.weight_bytes) / (1 << 20), info.context_tokens, info.cache_type,
      static_cast<double>(info.cache_bytes) / (1 << 20), info.load_s
  );
  thread_ = std::thread([this] { loop(); });
}

EngineImpl::~EngineImpl() {
  stop();
  thread_.join();
}

void EngineImpl::stop() {
  stopping_.store(true);
  inbox_.close();
}

Result<std::unique_ptr<EventStream>> EngineImpl::submit(Request request) {
  const ApiError failed{503, "engine_failed", "the engine has stopped", ""};
  if (failed_.load() || stopping_.load()) return failed;
  if (auto error = check_request(request, model_.info)) return *error;
  SamplingParams& sampling = request.sampling;
  if (sampling.dry_multiplier > 0.0f) {
    sampling.dry_breaker_ids.merge(tokens_containing(*text_.tokenizer, sampling.dry_breakers));
  }
  std::unique_ptr<Constraint> constraint;
  if (request.grammar) {
    try {
      constraint = std::make_unique<Constraint>(*grammars_->get(*request.grammar), mask_workers_);
    } catch (const UserError& error) {
      return ApiError{400, "invalid_request", error.what(), "grammar"};
    }
  }
  auto channel = std::make_shared<EventChannel>();
  std::unique_ptr<EventStream> stream = std::make_unique<ChannelStream>(channel);
  Submission submission{
      std::move(request), std::move(constraint), std::move(channel), Clock::now()
  };
  if (!inbox_.try_push(submission)) {
    if (failed_.load() || stopping_.load()) return failed;
    return ApiError{429, "overloaded", "too many requests are waiting; try again later", ""};
  }
  return stream;
}

EngineStats EngineImpl::stats() const {
  EngineStats stats = metrics_.stats();
  stats.failed = failed_.load();
  stats.num_waiting += static_cast<int64_t>(inbox_.size());
  return stats;
}

void EngineImpl::note_load() {
  metrics_.set_load(
      {static_cast<int64_t>(scheduler_->num_running()),
       static_cast<int64_t>(scheduler_->num_waiting()), model_.pages->num_pages(),
       model_.pages->num_pages() - model_.pages->num_free(),
       static_cast<int64_t>(model_.prefixes->num_pages()), model_.tiers->host_stats(),
       model_.tiers->disk_stats()}
  );
}

void EngineImpl::loop() {
  while (!stopping_.load()) {
    try {
      note_load();
      admit(generations_.empty() && !model_.tiers->is_busy());
      model_.tiers->poll();
      drop_cancelled();
      release_held(Clock::now());
      const Clock::time_point begin = Clock::now();
      const std::vector<Scheduler::Planned> planned = scheduler_->plan();
      note_load();
      run_step(planned);
      model_.tiers->move(scheduler_->take_moves());
      if (planned.empty()) {
        model_.tiers->settle();
        model_.tiers->wait(Clock::now() + kDiskPatience);
      } else {
        metrics_.add_step(Clock::now() - begin);
      }
    } catch (const std::exception& error) {
      failed_.store(true);
      fail_all(error.what());
      return;
    }
  }
  if (!choosing_.empty()) model_.runner->chosen();  // nothing is under way when the runner ends
  fail_all("the engine was shut down");
  save_pages();
}

void EngineImpl::save_pages() {
  try {
    model_.tiers->move(scheduler_->take_moves());
    model_.tiers->flush_parts(*model_.prefixes, Clock::now() + kFlushPatience);
  } catch (const std::exception& error) {
    log_warn("pages were not saved: {}", error.what());
  }
}

void EngineImpl::admit(bool idle) {
  if (idle) {
    if (auto submission = inbox_.pop()) start(std::move(*submission));
  }
  while (auto submission = inbox_.try_pop()) start(std::move(*submission));
}

void EngineImpl::start(Submission submission) {
  Request& request = submission.request;
  const auto prompt = static_cast<int64_t>(request.prompt_ids.size());
  const int64_t room = model_.info.context_tokens - prompt;
  const int64_t limit = prompt + std::min(request.max_tokens.value_or(room), room);
  const Hash128 prefix_root = model_.prefixes->root(request.cache_salt);
  try {
    std::vector<int32_t> stop_ids = stop_ids_of(request, text_);
    generations_.push_back(std::make_unique<Generation>(
        std::move(request), std::move(stop_ids), limit, *model_.pages, *text_.tokenizer,
        submission.channel, submission.submitted, metrics_, std::move(submission.constraint)
    ));
  } catch (const std::exception& error) {
    submission.channel->fail(error.what());
    return;
  }
  Sequence& sequence = generations_.back()->sequence();
  sequence.prefix_root = prefix_root;
  scheduler_->add(sequence);
  model_.tiers->fetch(sequence, *model_.prefixes);
}

void EngineImpl::drop_cancelled() {
  std::vector<Generation*> cancelled;
  for (const auto& generation : generations_) {
    if (generation->channel().cancelled()) cancelled.push_back(generation.get());
  }
  for (Generation* generation : cancelled) {
    generation->end(FinishReason::kCancelled);
    finish(*generation);
  }
}

void EngineImpl::release_held(Clock::time_point until) {
  for (const auto& generation : generations_) {
    bool& is_held = generation->sequence().is_held;
    is_held = is_held && !generation->is_ready(until);
  }
}

void EngineImpl::run_step(const std::vector<Scheduler::Planned>& planned) {
  const auto owner_of = [&](const Sequence* sequence) -> Generation& {
    const auto it = std::find_if(generations_.begin(), generations_.end(), [&](const auto& entry) {
      return &entry->sequence() == sequence;
    });
    TRELLIS_CHECK(it != generations_.end(), "every planned sequence belongs to a generation");
    return **it;
  };
  for (const auto& entry : planned) owner_of(entry.sequence).start();
  model_.tiers->move(scheduler_->take_moves());
  if (planned.empty() && choosing_.empty()) release_held(Clock::now() + kGrammarPatience);
  std::vector<Generation*> rows;  // whose logits they are
  std::vector<WantedStates> states;
  std::vector<Generation*> prompts;  // that are computed, and have no answer
  if (!planned.empty()) {
    const Step step = Scheduler::make_step(planned);
    model_.runner->compute(step);
    scheduler_->commit(planned);
    model_.tiers->settle();  // copies of before this step, while the device is busy with it
    int64_t num_states = 0;
    for (size_t i = 0; i < planned.size(); ++i) {
      Generation& owner = owner_of(planned[i].sequence);
      const Sequence& sequence = owner.sequence();
      if (planned[i].wants_logits) rows.push_back(&owner);
      const int count = step.entries[i].num_states;
      if (count > 0) states.push_back({&owner, num_states, count});
      num_states += count;
      if (sequence.is_prompt_only && sequence.pending().empty()) prompts.push_back(&owner);
    }
  }
  take_chosen(rows);
  choose_on_device(rows);
  read_states(states);
  for (Generation* generation : prompts) {
    generation->end_prompt();
    finish(*generation);
  }
  std::optional<Clock::time_point> until;
  std::vector<Generation*> running;
  for (size_t row = 0; row < rows.size(); ++row) {
    Generation* generation = rows[row];
    const bool waits = row < choosing_.size() && choosing_[row] != nullptr;
    if (generation == nullptr || waits) continue;
    const std::span<const float> logits = model_.runner->logits(static_cast<int64_t>(row), 1);
    if (!until) until = Clock::now() + kGrammarPatience;  // the device has finished the step
    if (!generation->is_ready(*until)) {
      // Its logits are gone with the next step, and wanted again.
      generation->sequence().forget_last();
      generation->sequence().is_held = true;
      continue;
    }
    const bool runs = advance(*generation, [&] { return generation->advance(logits); });
    if (runs) running.push_back(generation);
  }
  // All grammars are at work by now, side by side.
  until = Clock::now() + kGrammarPatience;
  for (Generation* generation : running) {
    if (!generation->knows_forced(*until)) continue;
    advance(*generation, [&] { return generation->take_forced(); });
  }
}

void EngineImpl::read_states(const std::vector<WantedStates>& wanted) {
  const auto for_each_row = [](std::span<const float> rows, int64_t size, const auto& take) {
    for (; !rows.empty(); rows = rows.subspan(static_cast<size_t>(size))) {
      take(rows.first(static_cast<size_t>(size)));
    }
  };
  for (const auto& [generation, first_row, num_rows] : wanted) {
    if (!generation->wants_prompt_logits()) {
      for_each_row(
          model_.runner->normalized_states(first_row, num_rows), model_.runner->hidden_size(),
          [&](std::span<const float> state) { generation->add_prompt_state(state); }
      );
      continue;
    }
    for (int64_t done = 0; done < num_rows;) {
      const int64_t count = std::min(num_rows - done, ModelRunner::kMostStateLogits);
      for_each_row(
          model_.runner->state_logits(first_row + done, count), model_.runner->vocab_size(),
          [&](std::span<const float> logits) { generation->add_prompt_logits(logits); }
      );
      done += count;
    }
  }
}

void EngineImpl::take_chosen(std::vector<Generation*>& next_rows) {
  const std::vector<Generation*> rows = std::exchange(choosing_, {});
  if (rows.empty()) return;
  const std::span<const int32_t> tokens = model_.runner->chosen();
  for (size_t row = 0; row < rows.size(); ++row) {
    Generation* generation = rows[row];
    if (generation == nullptr) continue;
    // The step that is under way is of no use where no token was possible, for it went on from id
    // 0, nor where tokens were taken back, nor to an answer that has ended.
    if (tokens[row] < 0) generation->sequence().forget_last();
    const bool runs = advance(*generation, [&] { return generation->advance(tokens[row]); });
    if (runs && generation->sequence().pending().empty()) continue;
    std::replace(next_rows.begin(), next_rows.end(), generation, static_cast<Generation*>(nullptr));
  }
}

void EngineImpl::choose_on_device(const std::vector<Generation*>& rows) {
  if (!model_.runner->chooses_tokens()) return;
  std::vector<Generation*> choosing(rows.size());
  std::vector<TokenChoice> choices(rows.size());
  std::vector<TokenEdit> edits;
  bool any = false;
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row] == nullptr || !rows[row]->suits_device()) continue;
    choosing[row] = rows[row];
    choices[row] = rows[row]->device_choice(static_cast<int32_t>(row), edits);
    any = true;
  }
  if (!any) return;
  model_.runner->choose(choices, edits);
  choosing_ = std::move(choosing);
  for (size_t row = 0; row < rows.size(); ++row) {
    if (choosing_[row] == nullptr) continue;
    choosing_[row]->sequence().append_unknown(static_cast<int>(row));
  }
}

bool EngineImpl::advance(Generation& generation, const std::function<bool()>& append_token) {
  bool finished = true;
  try {
    finished = append_token();
  } catch (const DeviceError&) {
    throw;
  } catch (const std::exception& error) {
    generation.end(FinishReason::kError, error.what());
  }
  if (finished) finish(generation);
  return !finished;
}

void EngineImpl::finish(Generation& generation) {
  std::replace(choosing_.begin(), choosing_.end(), &generation, static_cast<Generation*>(nullptr));
  scheduler_->remove(generation.sequence());
  std::erase_if(generations_, [&](const auto& entry) { return entry.get() == &generation; });
  if (!generations_.empty()) return;
  model_.pages->check_integrity();
  TRELLIS_CHECK_EQ(
      model_.pages->num_free(), model_.pages->num_pages(), "every page is free when nothing runs"
  );
}

void EngineImpl::fail_all(const std::string& message) {
  for (const auto& generation : generations_) {
    generation->end(FinishReason::kError, message);
    scheduler_->remove(generation->sequence());
  }
  generations_.clear();
  choosing_.clear();
  inbox_.close();
  while (auto submission = inbox_.try_pop()) {
    submission->channel->fail(message);
  }
  note_load();
}

}  // namespace

std::unique_ptr<Engine> Engine::load(const EngineOptions& options, const Progress& progress) {
  return std::make_unique<EngineImpl>(options, progress);
}

}  // namespace trellis
