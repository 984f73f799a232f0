// On a GPU, too, pages come back from the host's memory and from the disk as they went there. A
// choice of the device is under way meanwhile.
#include "base/temporary_directory.h"
#include "engine/engine_harness.h"

namespace trellis {
namespace {

/// Two pages on the device.
EngineOptions options_of() {
  EngineOptions options = tiny_model_options();
  options.cache_type = "q8,q4";
  options.context_tokens = 512;
  options.deterministic = true;
  return options;
}

Request asking(int kind) {
  Request request;
  for (int i = 0; i < 300; ++i) request.prompt_ids.push_back(3 + (i * 7 + kind * 101) % 800);
  request.sampling.temperature = 0.0f;
  request.ignore_eos = true;
  request.max_tokens = 3;
  return request;
}

TEST(SimtCacheTiers, GiveBackWhatTheyTook) {
  const TemporaryDirectory folder;
  EngineOptions options = options_of();
  options.cache_directory = (folder.path() / "cache").string();
  std::vector<int32_t> expected;
  {
    const auto engine = Engine::load(options);
    expected = collect(engine->submit(asking(0))).token_ids;
    collect(engine->submit(asking(1)));
    const Event from_host = collect(engine->submit(asking(0)));
    EXPECT_EQ(from_host.usage.cached_tokens, 299);
    EXPECT_EQ(from_host.token_ids, expected);
    EXPECT_EQ(engine->stats().host_cache.num_hits, 2);
  }

  const auto engine = Engine::load(options);
  const Event from_disk = collect(engine->submit(asking(0)));
  EXPECT_EQ(from_disk.usage.cached_tokens, 299);
  EXPECT_EQ(from_disk.token_ids, expected);
}

}  // namespace
}  // namespace trellis
