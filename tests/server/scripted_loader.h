// A loader whose loads a test lets go on, fail and end, and engines that answer nothing.
#pragma once

#include "base/error.h"
#include "trellis/model_loader.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace trellis::server {

class SilentEngine final : public Engine {
 public:
  SilentEngine(std::string model, std::set<std::string>& alive, std::mutex& mutex)
      : model_(std::move(model)), alive_(alive), mutex_(mutex) {
    const std::lock_guard lock(mutex_);
    alive_.insert(model_);
  }
  ~SilentEngine() override {
    const std::lock_guard lock(mutex_);
    alive_.erase(model_);
  }
  Result<std::unique_ptr<EventStream>> submit(Request) override {
    return ApiError{503, "engine_failed", "it answers nothing", ""};
  }
  void stop() override { is_stopped = true; }
  const ModelInfo& info() const override { return info_; }
  EngineStats stats() const override { return {}; }
  const Tokenizer& tokenizer() const override { throw InternalError("there is no tokenizer"); }
  const ChatTemplate* chat_template() const override { return nullptr; }
  const SamplingParams& default_sampling() const override { return sampling_; }

  std::atomic<bool> is_stopped{false};

 private:
  std::string model_;
  std::set<std::string>& alive_;
  std::mutex& mutex_;
  ModelInfo info_;
  SamplingParams sampling_;
};

/// Models are called by the names of their directories.
class ScriptedLoader final : public ModelLoader {
 public:
  size_t available_memory(const EngineOptions&) override { return 0; }
  ModelSummary summarize(const EngineOptions& options) override {
    if (name_of(options) == "broken") throw UserError("it is broken");
    return {"ScriptedForCausalLM", "exl3", 3.0, 2048};
  }
  size_t plan(EngineOptions& options, size_t available_bytes) override {
    const size_t need = sizes.at(name_of(options));
    if (available_bytes > 0 && need > available_bytes) {
      throw UserError("needs {} and {} are free", need, available_bytes);
    }
    return need;
  }
  std::unique_ptr<Engine> load(const EngineOptions& options, const Engine::Progress& progress)
      override {
    const std::string name = name_of(options);
    std::unique_lock lock(mutex_);
    loads_.emplace_back(name, options);
    changed_.notify_all();
    while (held_.contains(name)) {
      lock.unlock();
      progress(done_, kTotal);  // a load that is given up ends here
      lock.lock();
      changed_.wait_for(lock, std::chrono::milliseconds(1));
    }
    const auto failure = failures_.find(name);
    if (failure != failures_.end()) throw UserError("{}", failure->second);
    lock.unlock();
    progress(kTotal, kTotal);
    return std::make_unique<SilentEngine>(name, alive_, mutex_);
  }

  /// A load of the model goes no further than `done` of kTotal until release().
  void hold(const std::string& name, size_t done = 0) {
    const std::lock_guard lock(mutex_);
    held_.insert(name);
    done_ = done;
  }
  void release(const std::string& name) {
    const std::lock_guard lock(mutex_);
    held_.erase(name);
    changed_.notify_all();
  }
  /// "": no more.
  void fail(const std::string& name, const std::string& message) {
    const std::lock_guard lock(mutex_);
    message.empty() ? void(failures_.erase(name)) : void(failures_[name] = message);
  }

  /// What has been begun, in this order.
  std::vector<std::string> loads() {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, options] : loads_) names.push_back(name);
    return names;
  }
  EngineOptions last_options() {
    const std::lock_guard lock(mutex_);
    return loads_.back().second;
  }
  /// Whose engines there are.
  std::set<std::string> alive() {
    const std::lock_guard lock(mutex_);
    return alive_;
  }
  bool wait_begun(size_t num_loads) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return loads_.size() >= num_loads;
    });
  }

  static constexpr size_t kTotal = 1000;
  std::map<std::string, size_t> sizes = {{"a", 10}, {"b", 10}, {"c", 10}, {"large", 100}};

 private:
  static std::string name_of(const EngineOptions& options) {
    return std::filesystem::path(options.model_directory).filename().string();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> held_;
  std::map<std::string, std::string> failures_;
  std::vector<std::pair<std::string, EngineOptions>> loads_;
  std::set<std::string> alive_;
  size_t done_ = 0;
};

}  // namespace trellis::server
