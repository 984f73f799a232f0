// The device chooses the tokens that the host chooses: the same ones, whatever the parameters and
// the logits, and whatever other rows share the call.
#include "backend/backends_under_test.h"
#include "backend/op_case.h"
#include "backend/random_data.h"
#include "backend/token_choice.h"
#include "sampling/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace trellis::test {
namespace {

#if defined(__SANITIZE_THREAD__)
// Each thread of a block is a thread there, a hundred times as slow.
constexpr int kRandomRows = 20;
constexpr int kRandomTokens = 1;
#else
constexpr int kRandomRows = 200;
constexpr int kRandomTokens = 10;
#endif

/// A request with its logits, and what the device shall find there.
struct Row {
  Sampler sampler;
  std::vector<float> logits;
  std::vector<int32_t> banned;
};

/// One op over all rows, each of `columns` logits.
std::vector<int32_t> choose_on_device(
    Backend& backend, const std::vector<Row>& rows, int64_t columns
) {
  PreparedOp op(backend);
  std::vector<float> logits;
  std::vector<TokenChoice> choices;
  std::vector<TokenEdit> edits;
  ChooseTokensArgs args;
  for (const Row& row : rows) {
    logits.insert(logits.end(), row.logits.begin(), row.logits.end());
    const auto index = static_cast<int32_t>(choices.size());
    choices.push_back(row.sampler.device_choice(index, row.banned, edits));
    args.any_draws = args.any_draws || choices.back().draws();
    args.any_cuts = args.any_cuts || choices.back().cuts();
  }
  const auto bytes = [&](const auto& items) -> ConstTensor {
    if (items.empty()) return {};
    const auto count = static_cast<int64_t>(items.size());
    const Tensor tensor =
        op.allocate({count, static_cast<int64_t>(sizeof(items[0]))}, DType::kUint8);
    backend.upload(tensor, items.data());
    return tensor;
  };
  const auto count = static_cast<int64_t>(rows.size());
  args.logits = op.upload(logits, {count, columns});
  args.choices = bytes(choices);
  args.edits = bytes(edits);
  args.chosen = op.allocate({count}, DType::kInt32);
  backend.ops().choose_tokens(args);
  std::vector<int32_t> chosen(rows.size());
  backend.download(args.chosen, chosen.data());
  return chosen;
}

/// Several tokens of each row, chosen from the same logits: on the host, and on the device by one
/// op for all rows.
void expect_the_hosts_choices(
    Backend& backend, std::vector<Row> rows, int64_t columns, int num_tokens
) {
  for (int i = 0; i < num_tokens; ++i) {
    const std::vector<int32_t> chosen = choose_on_device(backend, rows, columns);
    for (size_t row = 0; row < rows.size(); ++row) {
      auto& [sampler, logits, banned] = rows[row];
      const int32_t expected = sampler.sample({logits, banned});
      const int32_t actual = chosen[row] >= 0 ? chosen[row] : sampler.lowest_allowed(banned);
      ASSERT_EQ(actual, expected) << "row " << row << ", token " << i;
      sampler.accept(expected);
    }
  }
}

class RandomRequests {
 public:
  RandomRequests(uint64_t seed, int64_t columns) : random_(seed), columns_(columns) {}

  Row row() {
    std::vector<float> logits =
        random_.normals(columns_, one_of<float>({0.01f, 1.0f, 3.0f, 12.0f}));
    const float step = one_of<float>({0.0f, 0.0f, 1.0f / 64, 0.5f, 100.0f});
    for (float& logit : logits) {
      if (step > 0.0f) logit = std::round(logit / step) * step;  // ties, and zeros of both signs
    }
    const auto spoil = [&](float value, int64_t count) {
      for (int64_t i = 0; i < count; ++i) logits[place()] = value;
    };
    spoil(one_of<float>({NAN, -INFINITY, 3.0f}), one_of<int64_t>({0, 1, columns_ / 3}));
    if (random_.integer(20) == 0) spoil(INFINITY, 2);
    if (random_.integer(20) == 0) logits.assign(logits.size(), one_of<float>({NAN, 1.0f}));

    std::vector<int32_t> banned;
    if (random_.integer(4) == 0) banned = random_.integers(3, columns_ + 10);
    const std::vector<int32_t> prompt = random_.integers(30, columns_ + 5);
    const int64_t vocab = std::max<int64_t>(columns_ - one_of<int64_t>({0, 0, 1, 77}), 1);
    return {Sampler(params(), vocab, prompt), logits, banned};
  }

 private:
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[random_.integer(static_cast<int64_t>(values.size()))];
  }
  size_t place() { return static_cast<size_t>(random_.integer(columns_)); }

  SamplingParams params() {
    SamplingParams params;
    params.seed = static_cast<uint64_t>(random_.integer(1 << 30)) << 17;
    params.temperature = one_of<float>({0.0f, 0.3f, 0.7f, 1.0f, 1.0f, 2.5f});
    params.top_k = one_of<int>({0, 0, 1, 7, 40, 900, 100000});
    params.top_p = one_of<float>({1.0f, 1.0f, 0.001f, 0.5f, 0.9f, 0.95f, 0.999999f});
    params.min_p = one_of<float>({0.0f, 0.0f, 0.05f, 0.5f, 1.0f});
    params.repetition_penalty = one_of<float>({1.0f, 1.0f, 1.1f, 0.8f});
    params.presence_penalty = one_of<float>({0.0f, 0.0f, 0.7f, -0.3f});
    params.frequency_penalty = one_of<float>({0.0f, 0.0f, 0.13f});
    if (random_.integer(4) == 0) {
      for (int i = 0; i < 5; ++i) {
        params.logit_bias[static_cast<int32_t>(place())] = random_.normal(3.0f);
      }
    }
    return params;
  }

  RandomData random_;
  int64_t columns_;
};

class ChooseTokens : public testing::Test {
 protected:
  std::unique_ptr<Backend> backend_ = fast_backends().front().make();
};

class RandomChoices : public ChooseTokens, public testing::WithParamInterface<int> {};

TEST_P(RandomChoices, AreTheHosts) {
  const int64_t columns = GetParam();
  RandomRequests requests(static_cast<uint64_t>(columns), columns);
  std::vector<Row> rows;
  for (int i = 0; i < kRandomRows; ++i) rows.push_back(requests.row());
  expect_the_hosts_choices(*backend_, rows, columns, kRandomTokens);
}

INSTANTIATE_TEST_SUITE_P(
    Columns, RandomChoices, testing::Values(1, 31, 257, 1000, 1001, 2003, 5003),
    testing::PrintToStringParamName()
);

/// Logits as of a model that is fairly sure, over the vocabulary of Llama 3.
std::vector<float> plausible_logits(uint64_t seed) {
  constexpr int64_t kVocab = 128256;
  std::vector<float> logits = RandomData(seed).normals(kVocab, 2.5f);
  for (size_t i = 0; i < 40; ++i) logits[i * 3001] = 18.0f - 0.25f * static_cast<float>(i);
  return logits;
}

SamplingParams seeded(float temperature, int top_k, float top_p, float min_p) {
  SamplingParams params;
  params.temperature = temperature;
  params.top_k = top_k;
  params.top_p = top_p;
  params.min_p = min_p;
  params.seed = 5;
  return params;
}

/// The parameters of the sampler's benchmark, and some that keep most of a vocabulary.
const std::vector<SamplingParams>& common_params() {
  static const std::vector<SamplingParams> params = {
      seeded(0.0f, 0, 1.0f, 0.0f),     seeded(1.0f, 0, 1.0f, 0.0f),   seeded(0.7f, 40, 1.0f, 0.0f),
      seeded(0.6f, 0, 0.9f, 0.0f),     seeded(0.6f, 20, 0.95f, 0.0f), seeded(1.0f, 0, 1.0f, 0.05f),
      seeded(3.0f, 20000, 0.8f, 0.0f), seeded(3.0f, 0, 0.99f, 1e-6f)
  };
  return params;
}

TEST_F(ChooseTokens, AsTheHostFromALargeVocabulary) {
  const std::vector<float> logits = plausible_logits(1);
  const auto columns = static_cast<int64_t>(logits.size());
  std::vector<Row> rows;
  for (const SamplingParams& params : common_params()) {
    rows.push_back({Sampler(params, columns, {}), logits, {}});
  }
  expect_the_hosts_choices(*backend_, rows, columns, 3);
}

/// More tokens share a bin, and a number, than are ranked at once.
TEST_F(ChooseTokens, AsTheHostWhereAllAreEqual) {
  constexpr int64_t kColumns = 40000;
  std::vector<Row> rows;
  for (const SamplingParams& params : common_params()) {
    rows.push_back({Sampler(params, kColumns, {}), std::vector<float>(kColumns, -1.5f), {}});
  }
  expect_the_hosts_choices(*backend_, rows, kColumns, 2);
}

TEST_F(ChooseTokens, NothingFromARowThatIsLeftToTheHost) {
  PreparedOp op(*backend_);
  const std::vector<TokenChoice> choices(2);
  ChooseTokensArgs args;
  args.logits = op.upload(std::vector<float>(64, 1.0f), {2, 32});
  const Tensor bytes = op.allocate({2, sizeof(TokenChoice)}, DType::kUint8);
  backend_->upload(bytes, choices.data());
  args.choices = bytes;
  args.chosen = op.allocate({2}, DType::kInt32);
  backend_->ops().choose_tokens(args);
  std::vector<int32_t> chosen(2);
  backend_->download(args.chosen, chosen.data());

  EXPECT_EQ(chosen, (std::vector<int32_t>{-1, -1}));
}

}  // namespace
}  // namespace trellis::test
