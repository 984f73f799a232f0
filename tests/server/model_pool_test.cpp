// Which models a server has, when it loads them and when it lets them go.
#include "server/models/model_pool.h"

#include "base/temporary_directory.h"
#include "server/models/model_directory.h"
#include "server/scripted_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <semaphore>
#include <thread>

namespace trellis::server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr auto kMostWait = 20s;

/// Waits until the state is as wanted.
LoadState wait_until(ModelWatch& watch, const std::function<bool(const LoadState&)>& is_wanted) {
  const auto changed = std::make_shared<std::counting_semaphore<>>(0);
  watch.on_change([changed] { changed->release(); });
  while (true) {
    LoadState state = watch.state();
    if (is_wanted(state)) return state;
    if (!changed->try_acquire_for(kMostWait)) {
      ADD_FAILURE() << "still " << model_state_name(state.state);
      return state;
    }
  }
}

LoadState wait_settled(ModelWatch& watch) {
  return wait_until(watch, [](const LoadState& state) { return state.is_settled(); });
}

class ModelPoolTest : public testing::Test {
 protected:
  ModelPoolTest() {
    for (const char* name : {"a", "b", "c", "large"}) add_folder(name);
  }

  void add_folder(const std::string& name) const {
    std::filesystem::create_directories(folder_.path() / name);
    folder_.write(name + "/config.json", "{}");
  }
  ModelPoolOptions options() const {
    ModelPoolOptions options;
    options.directory = folder_.path().string();
    options.retry = 1h;
    return options;
  }
  static ModelUse ready(ModelPool& pool, const std::string& name) {
    Result<ModelUse> use = pool.use(name);
    EXPECT_TRUE(use.ok()) << use.error().message;
    EXPECT_EQ(wait_settled(use.value()).state, ModelState::kReady);
    return std::move(use).value();
  }
  static ModelState state_of(ModelPool& pool, const std::string& name) {
    return pool.status(name).value().load.state;
  }
  /// Waits for what the pool's own threads do.
  template <typename Condition>
  static bool eventually(const Condition& condition) {
    const auto end = std::chrono::steady_clock::now() + kMostWait;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  TemporaryDirectory folder_;
  ScriptedLoader loader_;
};

TEST_F(ModelPoolTest, HasTheFoldersOfItsDirectoryThatAreModels) {
  add_folder(".hidden");
  folder_.write("a-file", "");
  std::filesystem::create_directories(folder_.path() / "no-config");
  const TemporaryDirectory elsewhere;
  elsewhere.write("config.json", "{}");
  std::filesystem::create_directory_symlink(elsewhere.path(), folder_.path() / "link");
  ModelPool pool(options(), loader_);

  EXPECT_THAT(scan_models(folder_.path()), ElementsAre("a", "b", "c", "large"));
  add_folder("later");
  EXPECT_TRUE(pool.status("later").ok());
  std::filesystem::remove_all(folder_.path() / "b");
  std::vector<std::string> names;
  for (const ModelStatus& model : pool.list()) names.push_back(model.names.front());
  EXPECT_THAT(names, UnorderedElementsAre("a", "c", "large", "later"));
  EXPECT_THROW(scan_models(folder_.path() / "none"), UserError);
}

TEST_F(ModelPoolTest, NamesCannotLeaveTheDirectory) {
  const std::filesystem::path models = folder_.path() / "models";
  std::filesystem::create_directories(models);
  std::filesystem::create_directory_symlink(folder_.path() / "a", models / "link");
  ModelPoolOptions inner = options();
  inner.directory = models.string();
  ModelPool pool(std::move(inner), loader_);

  for (const std::string& name :
       {std::string("../a"), (folder_.path() / "a").string(), std::string("link"),
        std::string("%2e%2e/a"), std::string("."), std::string(".."), std::string("../a\0", 5),
        std::string("./../a"), std::string("..\\a")}) {
    const Result<ModelUse> use = pool.use(name);
    ASSERT_FALSE(use.ok()) << name;
    EXPECT_EQ(use.error().status, 404);
    EXPECT_EQ(use.error().code, "model_not_found");
    EXPECT_EQ(use.error().parameter, "model");
  }
  EXPECT_THAT(loader_.loads(), ElementsAre());
}

TEST_F(ModelPoolTest, LoadsOnceForAllWhoWait) {
  ModelPool pool(options(), loader_);
  loader_.hold("a", 400);
  std::vector<ModelUse> uses;
  for (int i = 0; i < 3; ++i) uses.push_back(pool.use("a").value());
  const LoadState halfway =
      wait_until(uses[0], [](const LoadState& state) { return state.done_bytes == 400; });

  EXPECT_EQ(halfway.state, ModelState::kLoading);
  EXPECT_DOUBLE_EQ(halfway.progress(), 0.4);
  loader_.release("a");

  for (ModelUse& use : uses) {
    EXPECT_EQ(wait_settled(use).state, ModelState::kReady);
    EXPECT_EQ(&use.engine(), &uses[0].engine());
  }
  EXPECT_THAT(loader_.loads(), ElementsAre("a"));
  EXPECT_EQ(pool.status("a").value().num_uses, 3);
}

TEST_F(ModelPoolTest, LoadsOneModelAtATime) {
  ModelPool pool(options(), loader_);
  loader_.hold("a");
  ModelUse first = pool.use("a").value();
  ModelUse second = pool.use("b").value();
  ASSERT_TRUE(loader_.wait_begun(1));

  EXPECT_EQ(second.state().state, ModelState::kLoading);
  EXPECT_THAT(loader_.loads(), ElementsAre("a"));
  loader_.release("a");

  EXPECT_EQ(wait_settled(second).state, ModelState::kReady);
  EXPECT_THAT(loader_.loads(), ElementsAre("a", "b"));
}

TEST_F(ModelPoolTest, ADefaultAnswersWhereNoneIsNamed) {
  const Result<ModelUse> none = ModelPool(options(), loader_).use(std::nullopt);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().status, 400);
  EXPECT_EQ(none.error().parameter, "model");

  ModelPoolOptions named = options();
  named.default_model = "c";
  ModelPool with_default(std::move(named), loader_);
  EXPECT_EQ(with_default.use("").value().model_name(), "c");

  ModelPool with_own(options(), loader_);
  with_own.add({"mine", "alias"}, (folder_.path() / "a").string());
  EXPECT_EQ(with_own.use(std::nullopt).value().model_name(), "mine");
  EXPECT_EQ(with_own.use("alias").value().model_name(), "mine");
  EXPECT_FALSE(with_own.status("a").ok()) << "it is there under its own name already";
}

TEST_F(ModelPoolTest, ALoadThatFailsSaysWhyAndIsNotTriedAgainAtOnce) {
  ModelPool pool(options(), loader_);
  loader_.fail("a", (folder_.path() / "a/config.json").string() + ": is wrong");
  ModelUse first = pool.use("a").value();

  const LoadState failed = wait_settled(first);
  ASSERT_EQ(failed.state, ModelState::kFailed);
  EXPECT_EQ(failed.error->status, 503);
  EXPECT_EQ(failed.error->code, "model_load_failed");
  EXPECT_THAT(failed.error->message, HasSubstr("could not be loaded: a/config.json: is wrong"));
  EXPECT_THAT(failed.error->message, Not(HasSubstr(folder_.path().string())));
  EXPECT_THROW(std::rethrow_exception(failed.thrown), UserError);
  EXPECT_EQ(state_of(pool, "a"), ModelState::kFailed);

  loader_.fail("a", "");
  const Result<ModelUse> soon = pool.use("a");
  ASSERT_FALSE(soon.ok());
  EXPECT_EQ(soon.error().message, failed.error->message);
  EXPECT_EQ(ready(pool, "b").model_name(), "b") << "others are not disturbed";
  Result<ModelUse> forced = pool.load("a", {});
  EXPECT_EQ(wait_settled(forced.value()).state, ModelState::kReady);
  EXPECT_EQ(pool.status("a").value().counters.num_failed_loads, 1);
}

TEST_F(ModelPoolTest, ARelativeDirectoryIsNamedAsItIs) {
  ModelPool pool({}, loader_);
  pool.add({"mine"}, "a");
  loader_.fail("a", "a/config.json: is wrong");
  ModelUse use = pool.use("mine").value();

  EXPECT_THAT(wait_settled(use).error->message, HasSubstr("loaded: a/config.json: is wrong"));
}

TEST_F(ModelPoolTest, ALoadThatFailedIsTriedAgainLater) {
  ModelPoolOptions impatient = options();
  impatient.retry = 0ms;
  ModelPool pool(std::move(impatient), loader_);
  loader_.fail("a", "no luck");
  ModelUse first = pool.use("a").value();
  ASSERT_EQ(wait_settled(first).state, ModelState::kFailed);

  loader_.fail("a", "");

  EXPECT_EQ(ready(pool, "a").model_name(), "a");
}

TEST_F(ModelPoolTest, UnloadsTheOneNotUsedForLongestToMakeRoom) {
  ModelPoolOptions small = options();
  small.memory_bytes = 25;
  ModelPool pool(std::move(small), loader_);
  ready(pool, "a");
  ready(pool, "b");
  ready(pool, "a");

  ready(pool, "c");

  EXPECT_THAT(loader_.alive(), UnorderedElementsAre("a", "c"));
  EXPECT_EQ(state_of(pool, "b"), ModelState::kAvailable);
  EXPECT_EQ(pool.status("b").value().counters.num_unloads, 1);
  EXPECT_EQ(pool.status("c").value().memory_bytes, 10U);
}

TEST_F(ModelPoolTest, NeverTakesAModelThatIsInUse) {
  ModelPoolOptions small = options();
  small.memory_bytes = 25;
  ModelPool pool(std::move(small), loader_);
  auto a = std::make_unique<ModelUse>(ready(pool, "a"));
  const ModelUse b = ready(pool, "b");
  ModelUse c = pool.use("c").value();
  // It is planned, and then there is no room.
  ASSERT_TRUE(eventually([&] { return pool.status("c").value().memory_bytes == 10; }));

  EXPECT_EQ(c.state().state, ModelState::kLoading);
  EXPECT_THAT(loader_.alive(), UnorderedElementsAre("a", "b"));
  a.reset();

  EXPECT_EQ(wait_settled(c).state, ModelState::kReady);
  EXPECT_THAT(loader_.alive(), UnorderedElementsAre("b", "c"));
}

TEST_F(ModelPoolTest, WhatNobodyWaitsForAnyMoreIsNotLoaded) {
  ModelPool pool(options(), loader_);
  loader_.hold("a");
  ModelUse a = pool.use("a").value();
  ASSERT_TRUE(loader_.wait_begun(1));
  pool.use("b").value();
  Result<ModelUse> kept = pool.load("c", {});
  {
    const ModelUse leaves = std::move(kept).value();
  }

  loader_.release("a");

  EXPECT_TRUE(eventually([&] { return state_of(pool, "c") == ModelState::kReady; }))
      << "an administrator who leaves does not end the load";
  EXPECT_THAT(loader_.loads(), ElementsAre("a", "c"));
}

TEST_F(ModelPoolTest, AModelThatCanNeverFitIsRefusedWithTheFigures) {
  ModelPoolOptions small = options();
  small.memory_bytes = 25;
  ModelPool pool(std::move(small), loader_);
  ready(pool, "a");
  ModelUse large = pool.use("large").value();

  const LoadState state = wait_settled(large);

  ASSERT_EQ(state.state, ModelState::kFailed);
  EXPECT_EQ(state.error->status, 503);
  EXPECT_EQ(state.error->code, "insufficient_memory");
  EXPECT_THAT(state.error->message, HasSubstr("needs 100 and 25 are free"));
  EXPECT_THAT(loader_.alive(), UnorderedElementsAre("a"));
}

TEST_F(ModelPoolTest, UnloadsWhatNobodyUses) {
  ModelPoolOptions forgetful = options();
  forgetful.idle = 20ms;
  ModelPool pool(std::move(forgetful), loader_);
  const ModelUse kept = ready(pool, "a");
  ready(pool, "b");

  EXPECT_TRUE(eventually([&] { return state_of(pool, "b") == ModelState::kAvailable; }));

  EXPECT_EQ(state_of(pool, "a"), ModelState::kReady);
  EXPECT_THAT(loader_.alive(), UnorderedElementsAre("a"));
}

TEST_F(ModelPoolTest, AnUnloadWaitsForThoseWhoUseTheModel) {
  ModelPool pool(options(), loader_);
  auto use = std::make_unique<ModelUse>(ready(pool, "a"));
  auto watch = pool.unload("a", false).value();
  ASSERT_TRUE(watch.has_value());

  EXPECT_EQ(watch->state().state, ModelState::kUnloading);
  EXPECT_EQ(state_of(pool, "a"), ModelState::kUnloading);
  EXPECT_FALSE(dynamic_cast<SilentEngine&>(use->engine()).is_stopped);
  ModelUse next = pool.use("a").value();  // waits for the first to be gone
  EXPECT_EQ(next.state().state, ModelState::kLoading);
  EXPECT_THAT(loader_.loads(), ElementsAre("a"));
  use.reset();

  wait_until(*watch, [](const LoadState& state) { return state.state == ModelState::kAvailable; });
  EXPECT_EQ(wait_settled(next).state, ModelState::kReady);
  EXPECT_THAT(loader_.loads(), ElementsAre("a", "a"));
  EXPECT_FALSE(pool.unload("b", false).value().has_value()) << "nothing to wait for";
  EXPECT_EQ(pool.unload("none", false).error().status, 404);
}

TEST_F(ModelPoolTest, AForcedUnloadStopsTheEngine) {
  ModelPool pool(options(), loader_);
  const ModelUse use = ready(pool, "a");

  pool.unload("a", true).value();

  EXPECT_TRUE(dynamic_cast<SilentEngine&>(use.engine()).is_stopped);
}

TEST_F(ModelPoolTest, AnUnloadGivesUpALoad) {
  ModelPool pool(options(), loader_);
  loader_.hold("a");
  ModelUse loading = pool.use("a").value();
  ModelUse queued = pool.use("b").value();
  ASSERT_TRUE(loader_.wait_begun(1));

  pool.unload("b", false).value();
  pool.unload("a", false).value();

  EXPECT_EQ(wait_settled(loading).error->code, "model_unloaded");
  EXPECT_EQ(wait_settled(queued).error->code, "model_unloaded");
  EXPECT_EQ(state_of(pool, "a"), ModelState::kAvailable);
  loader_.release("a");
  EXPECT_EQ(ready(pool, "a").model_name(), "a") << "that was no failure";
}

TEST_F(ModelPoolTest, OptionsOfALoadHoldForTheModelAlone) {
  ModelPoolOptions all = options();
  all.engine.cache_tokens = 4096;
  all.engine.cache_directory = "cache";
  ModelPool pool(std::move(all), loader_);
  ModelLoadOptions own;
  own.cache_tokens = 512;
  own.cache_type = "q8";
  own.max_sequences = 3;
  Result<ModelUse> a = pool.load("a", own);
  ASSERT_EQ(wait_settled(a.value()).state, ModelState::kReady);

  EXPECT_EQ(loader_.last_options().cache_tokens, 512);
  EXPECT_EQ(loader_.last_options().cache_type, "q8");
  EXPECT_EQ(loader_.last_options().max_sequences, 3);
  EXPECT_EQ(loader_.last_options().cache_directory, "cache/a");
  EXPECT_TRUE(pool.load("a", own).ok());
  EXPECT_TRUE(pool.load("a", {}).ok());
  own.max_sequences = 4;
  EXPECT_EQ(pool.load("a", own).error().status, 409);
  ready(pool, "b");
  EXPECT_EQ(loader_.last_options().cache_tokens, 4096);
}

TEST_F(ModelPoolTest, EndsInTheMiddleOfALoad) {
  loader_.hold("a");
  ModelPool pool(options(), loader_);
  ModelUse a = pool.use("a").value();
  ModelUse b = pool.use("b").value();
  ASSERT_TRUE(loader_.wait_begun(1));

  pool.stop_loading();

  EXPECT_EQ(wait_settled(a).error->code, "shutting_down");
  EXPECT_EQ(wait_settled(b).error->code, "shutting_down");
  EXPECT_EQ(pool.use("c").error().code, "shutting_down");
}

TEST_F(ModelPoolTest, TellsOfTheLoadAtItsStart) {
  loader_.hold("a", 250);
  ModelPool pool(options(), loader_);
  EXPECT_FALSE(pool.starting().has_value());
  ModelWatch watch = pool.start("a").value();
  wait_until(watch, [](const LoadState& state) { return state.done_bytes == 250; });

  ASSERT_TRUE(pool.starting().has_value());
  EXPECT_DOUBLE_EQ(pool.starting()->progress(), 0.25);
  loader_.release("a");

  EXPECT_EQ(wait_settled(watch).state, ModelState::kReady);
  EXPECT_FALSE(pool.starting().has_value());
  EXPECT_EQ(pool.status("a").value().num_uses, 0);
}

TEST_F(ModelPoolTest, ALoadAtTheStartThatFailsStaysToBeSeen) {
  loader_.fail("a", "no luck");
  ModelPool pool(options(), loader_);
  ModelWatch watch = pool.start("a").value();

  EXPECT_THROW(std::rethrow_exception(wait_settled(watch).thrown), UserError);
  ASSERT_TRUE(pool.starting().has_value());
  EXPECT_EQ(pool.starting()->state, ModelState::kFailed);
}

TEST_F(ModelPoolTest, ManyThreadsUseAndUnloadAtOnce) {
  ModelPoolOptions small = options();
  small.memory_bytes = 25;
  small.idle = 1ms;
  ModelPool pool(std::move(small), loader_);
  std::vector<std::thread> threads;
  std::atomic<int> num_ready{0};

  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 50; ++k) {
        const std::string name(1, static_cast<char>('a' + (i + k) % 3));
        Result<ModelUse> use = pool.use(name);
        if (use.ok() && wait_settled(use.value()).state != ModelState::kFailed) {
          use.value().engine().stop();
          ++num_ready;
        }
        if (k % 10 == 0) pool.unload(name, true).ok();
        pool.list();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_GT(num_ready.load(), 100);
  EXPECT_TRUE(eventually([&] { return loader_.alive().empty(); }));
}

}  // namespace
}  // namespace trellis::server
