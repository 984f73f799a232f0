// A request that finds its prompt in the host's memory or on the disk answers as one that does not,
// bit for bit, and its usage says how much was found.
#include "base/error_matchers.h"
#include "base/temporary_directory.h"
#include "engine/engine_harness.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace trellis {
namespace {

using testing::HasSubstr;

/// Two pages on the device, which is one context.
EngineOptions options_of(const char* cache_type) {
  EngineOptions options = tiny_model_options();
  options.backend = "cpu";
  options.cache_type = cache_type;
  options.context_tokens = 512;
  return options;
}

/// A prompt of 480 tokens that has nothing in common with those of other kinds.
Request asking(int kind) {
  Request request;
  for (int i = 0; i < 480; ++i) request.prompt_ids.push_back(3 + (i * 7 + kind * 101) % 800);
  request.sampling.temperature = 1.0f;
  request.sampling.seed = 5;
  request.ignore_eos = true;
  request.max_tokens = 12;
  request.logprobs = 1;
  return request;
}

class CacheTiersTest : public testing::TestWithParam<const char*> {
 protected:
  static std::unique_ptr<Engine> load(const EngineOptions& options) {
    return Engine::load(options);
  }
  static Event cold(int kind) {
    return collect(load(options_of(GetParam()))->submit(asking(kind)));
  }
  EngineOptions with_directory() const {
    EngineOptions options = options_of(GetParam());
    options.cache_directory = (folder_.path() / "cache").string();
    return options;
  }
  std::vector<std::filesystem::path> page_files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "cache")) {
      if (entry.path().extension() == ".page") files.push_back(entry.path());
    }
    return files;
  }

  TemporaryDirectory folder_;
};

TEST_P(CacheTiersTest, TheHostHasWhatTheDeviceHasNoRoomFor) {
  EngineOptions options = options_of(GetParam());
  options.host_cache_bytes = 64 << 20;
  const auto engine = load(options);
  expect_same(collect(engine->submit(asking(0))), cold(0));
  EXPECT_EQ(engine->stats().host_cache.num_pages, 0);

  const Event other = collect(engine->submit(asking(1)));
  EXPECT_EQ(other.usage.cached_tokens, 0);
  const Event again = collect(engine->submit(asking(0)));

  EXPECT_EQ(again.usage.cached_tokens, 479);
  expect_same(again, cold(0));
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.host_cache.num_hits, 2);
  EXPECT_GE(stats.host_cache.num_pages, 4);
  EXPECT_LE(stats.host_cache.bytes, stats.host_cache.capacity_bytes);
}

TEST_P(CacheTiersTest, TheHostKeepsNameSpacesApart) {
  EngineOptions options = options_of(GetParam());
  options.host_cache_bytes = 64 << 20;
  const auto engine = load(options);
  collect(engine->submit(asking(0)));
  collect(engine->submit(asking(1)));

  Request salted = asking(0);
  salted.cache_salt = "other";
  EXPECT_EQ(collect(engine->submit(salted)).usage.cached_tokens, 0);
}

TEST_P(CacheTiersTest, TheDirectoryOutlivesTheEngine) {
  Request salted = asking(0);
  salted.cache_salt = "salt";
  {
    const auto engine = load(with_directory());
    collect(engine->submit(salted));
    for (int i = 0; i < 1000 && engine->stats().disk_cache.num_pages == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(page_files().size(), 1u) << "the second page is not full, and may become longer";
  }
  EXPECT_EQ(page_files().size(), 2u) << "now it may not";

  const auto engine = load(with_directory());
  EXPECT_EQ(collect(engine->submit(asking(0))).usage.cached_tokens, 0);
  const Event again = collect(engine->submit(salted));

  EXPECT_EQ(again.usage.cached_tokens, 479);
  expect_same(again, cold(0));
  EXPECT_EQ(engine->stats().disk_cache.num_hits, 2);
}

/// A prompt that shares so many tokens with asking(0).
Request beginning_alike(size_t num_shared) {
  Request request = asking(0);
  for (size_t i = num_shared; i < request.prompt_ids.size(); ++i) ++request.prompt_ids[i];
  return request;
}

TEST_P(CacheTiersTest, TheDirectoryHasBeginningsOfPages) {
  {
    collect(load(with_directory())->submit(asking(0)));
  }
  for (const size_t num_shared : {200, 400}) {
    const Event expected =
        collect(load(options_of(GetParam()))->submit(beginning_alike(num_shared)));
    const Event answer = collect(load(with_directory())->submit(beginning_alike(num_shared)));

    EXPECT_EQ(answer.usage.cached_tokens, static_cast<int64_t>(num_shared));
    expect_same(answer, expected);
  }
}

TEST_P(CacheTiersTest, PartsThatTheHostHasOutliveTheEngineToo) {
  EngineOptions options = with_directory();
  options.host_cache_bytes = 64 << 20;
  {
    const auto engine = load(options);
    for (const int kind : {0, 1, 2}) collect(engine->submit(asking(kind)));
    EXPECT_GE(engine->stats().host_cache.num_pages, 4);
  }
  const auto engine = load(options);
  for (const int kind : {1, 0, 2}) {
    const Event again = collect(engine->submit(asking(kind)));
    EXPECT_EQ(again.usage.cached_tokens, 479) << kind;
    expect_same(again, cold(kind));
  }
}

TEST_P(CacheTiersTest, RequestsThatWaitForTheSamePageAreAnsweredTogether) {
  {
    collect(load(with_directory())->submit(asking(0)));
  }
  EngineOptions options = with_directory();
  options.cache_tokens = 2048;
  const auto engine = load(options);

  Submitted first = engine->submit(asking(0));
  Submitted second = engine->submit(asking(0));
  Submitted cancelled = engine->submit(asking(0));
  cancelled.value()->cancel();

  for (Submitted* stream : {&first, &second}) {
    const Event answer = collect(std::move(*stream));
    EXPECT_GE(answer.usage.cached_tokens, 256);
    expect_same(answer, cold(0));
  }
  EXPECT_EQ(engine->stats().disk_cache.num_hits, 2);
}

TEST_P(CacheTiersTest, ADamagedFileIsNotUsed) {
  {
    collect(load(with_directory())->submit(asking(0)));
  }
  for (const std::filesystem::path& file : page_files()) {
    std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(5000) << "damage";
  }

  const auto engine = load(with_directory());
  const Event answer = collect(engine->submit(asking(0)));

  EXPECT_EQ(answer.usage.cached_tokens, 0);
  expect_same(answer, cold(0));
  EXPECT_EQ(engine->stats().disk_cache.num_failed, 2);
  EXPECT_FALSE(engine->stats().failed);
}

TEST_P(CacheTiersTest, PagesOfAnotherFormatAreNotUsed) {
  {
    collect(load(with_directory())->submit(asking(0)));
  }
  EngineOptions options = with_directory();
  options.exact_activations = false;

  EXPECT_EQ(collect(load(options)->submit(asking(0))).usage.cached_tokens, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Cpu, CacheTiersTest, testing::Values("fp16", "fp32", "q8,q4"),
    [](const auto& info) {
      std::string name = "Cache";
      for (const char c : std::string(info.param)) {
        if (c != ',') name += c;
      }
      return name;
    }
);

/// The limit of this process stands for a full disk.
TEST(CacheDirectory, AFullDiskHarmsNoAnswer) {
  const TemporaryDirectory folder;
  EngineOptions options = options_of("fp16");
  const Event expected = collect(Engine::load(options)->submit(asking(0)));
  options.cache_directory = (folder.path() / "cache").string();
  const auto engine = Engine::load(options);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {4096, before.rlim_max};

  setrlimit(RLIMIT_FSIZE, &small);
  const Event answer = collect(engine->submit(asking(0)));
  for (int i = 0; i < 1000 && engine->stats().disk_cache.num_failed == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  setrlimit(RLIMIT_FSIZE, &before);

  expect_same(answer, expected);
  EXPECT_EQ(engine->stats().disk_cache.num_failed, 1);
  EXPECT_FALSE(engine->stats().failed);
  EXPECT_EQ(collect(engine->submit(asking(1))).token_ids.size(), 12u);
}

TEST(CacheDirectory, IsRefusedWhereItCannotWork) {
  const TemporaryDirectory folder;
  EngineOptions options = options_of("fp16");
  options.cache_directory = folder.write("file", "text").string();
  EXPECT_THAT(user_error_of([&] { Engine::load(options); }), HasSubstr("is not a directory"));
  options.cache_directory = "/proc/none";
  EXPECT_THAT(user_error_of([&] { Engine::load(options); }), HasSubstr("/proc/none"));
  options.cache_directory = (folder.path() / "cache").string();
  const auto engine = Engine::load(options);
  EXPECT_THAT(user_error_of([&] { Engine::load(options); }), HasSubstr("another process"));
}

}  // namespace
}  // namespace trellis
