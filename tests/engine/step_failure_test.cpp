// A device that fails in the middle of a step: every stream ends with an error that says so, the
// engine's state tells the truth, and what comes later is refused.
#include "backend/reference/reference_backend.h"
#include "engine/counting_backend.h"
#include "engine/engine_harness.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace trellis {
namespace {

using testing::HasSubstr;

/// How many more times an engine of this program asks its backend for ops before it fails.
std::atomic<int> calls_left = 0;

class FailingBackend final : public test::CountingBackend {
 public:
  using CountingBackend::CountingBackend;
  Ops& ops() override {
    if (calls_left-- == 0) throw DeviceError("the device is lost");
    return CountingBackend::ops();
  }
};

}  // namespace

/// In place of backend/create.cpp.
std::unique_ptr<Backend> create_backend(const std::string&, const BackendOptions&) {
  return std::make_unique<FailingBackend>(make_reference_backend({}));
}

namespace {

TEST(StepFailure, EndsEveryStreamAndTheEngineSaysSo) {
  calls_left = 1 << 30;
  const std::unique_ptr<Engine> engine = Engine::load(tiny_model_options());
  Request request = greedy({5, 6, 7});
  request.ignore_eos = true;
  Submitted running = engine->submit(request);
  ASSERT_TRUE(running.value()->next().has_value());
  EXPECT_FALSE(engine->stats().failed);

  Submitted beside = engine->submit(request);
  calls_left = 100;

  for (Submitted* stream : {&running, &beside}) {
    const Event end = collect(std::move(*stream));
    EXPECT_EQ(end.finish_reason, FinishReason::kError);
    EXPECT_THAT(end.error, HasSubstr("the device is lost"));
  }
  // What ends is announced before its pages are given back.
  EngineStats stats = engine->stats();
  for (int i = 0; i < 1000 && stats.num_running > 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stats = engine->stats();
  }
  EXPECT_TRUE(stats.failed);
  EXPECT_EQ(stats.num_running, 0);
  EXPECT_EQ(stats.num_used_pages, 0);
  const Submitted later = engine->submit(request);
  ASSERT_FALSE(later.ok());
  EXPECT_EQ(later.error().status, 503);
}

}  // namespace
}  // namespace trellis
