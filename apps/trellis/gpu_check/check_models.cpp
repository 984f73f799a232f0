#include "apps/trellis/bare_model.h"
#include "apps/trellis/gpu_check/model_texts.h"
#include "apps/trellis/gpu_check/sections.h"
#include "apps/trellis/scoring.h"

#include <algorithm>
#include <filesystem>
#include <memory>

namespace trellis {
namespace {

struct Precision {
  const char* name;
  ActivationPrecision activations;
  KvType cache;
  double most_kl;  // mean over the positions, in nats
};

constexpr Precision kPrecisions[] = {
    {"fp32 activations", ActivationPrecision::kFloat32, KvType::kFloat32, 1e-4},
    {"default", ActivationPrecision::kAuto, KvType::kFloat16, 2e-3},
};

/// Two tokens whose logits are that near are equally good; which one is first is a matter of the
/// order of summation.
constexpr float kNearTie = 0.02f;

/// What one backend makes of a text: logits of the answer's positions, read as a prompt or token by
/// token.
class Reader {
 public:
  Reader(const std::string& directory, const std::string& backend, const Precision& precision)
      : backend_(create_backend(backend, {0, precision.activations})),
        model_(load_bare_model(
            directory, *backend_, same_kv_types(precision.cache), 1, kMostTextTokens
        )) {}

  /// [answer tokens, vocab]: the row in front of each token of the answer.
  std::vector<float> read(const ModelText& text) {
    const std::vector<int32_t> tokens = all_but_last(text);
    const auto count = static_cast<int>(text.answer.size());
    return to_vector(model_->run(0, 0, tokens, count));
  }
  std::vector<float> decode(const ModelText& text) {
    const std::vector<int32_t> tokens = all_but_last(text);
    std::vector<float> rows = to_vector(model_->run(0, 0, text.prompt, 1));
    for (size_t i = text.prompt.size(); i < tokens.size(); ++i) {
      const auto row = model_->run(0, static_cast<int64_t>(i), std::span(tokens).subspan(i, 1), 1);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    return rows;
  }
  size_t vocab_size() const { return static_cast<size_t>(model_->vocab_size()); }

 private:
  static std::vector<int32_t> all_but_last(const ModelText& text) {
    std::vector<int32_t> tokens = text.prompt;
    tokens.insert(tokens.end(), text.answer.begin(), text.answer.end() - 1);
    return tokens;
  }
  static std::vector<float> to_vector(std::span<const float> logits) {
    return {logits.begin(), logits.end()};
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<BareModel> model_;
};

struct Agreement {
  int64_t positions = 0;
  int64_t near_ties = 0;  // another token is the best, but hardly
  int64_t others = 0;     // another token is the best
  double kl_divergence = 0;

  double mean_kl() const {
    return kl_divergence / static_cast<double>(std::max<int64_t>(positions, 1));
  }
};

/// actual, expected: [answer, vocab].
void add_agreement(
    std::span<const float> actual, std::span<const float> expected, const ModelText& text,
    size_t vocab, Agreement& agreement
) {
  for (size_t i = 0; i < text.answer.size(); ++i) {
    const auto row = actual.subspan(i * vocab, vocab);
    const auto expected_row = expected.subspan(i * vocab, vocab);
    const int32_t wanted =
        text.is_recorded
            ? text.answer[i]
            : static_cast<int32_t>(
                  std::max_element(expected_row.begin(), expected_row.end()) - expected_row.begin()
              );
    const float behind =
        *std::max_element(row.begin(), row.end()) - row[static_cast<size_t>(wanted)];
    if (!(behind <= kNearTie)) {
      ++agreement.others;
    } else if (behind > 0) {
      ++agreement.near_ties;
    }
    ++agreement.positions;
    agreement.kl_divergence += score(row, expected_row, wanted).kl_divergence;
  }
}

std::pair<bool, std::string> compare(
    const std::string& directory, const GpuCheckOptions& options, const Precision& precision
) {
  Reader cpu(directory, "cpu", kPrecisions[0]);
  Reader device(directory, options.backend, precision);
  Agreement agreement;
  for (const ModelText& text : model_texts(directory)) {
    const std::vector<float> expected = cpu.read(text);
    add_agreement(device.read(text), expected, text, device.vocab_size(), agreement);
    add_agreement(device.decode(text), expected, text, device.vocab_size(), agreement);
  }
  const bool exact = precision.activations == ActivationPrecision::kFloat32;
  const bool same_tokens = !exact || agreement.others == 0;
  return {
      same_tokens && agreement.mean_kl() < precision.most_kl,
      fmt::format(
          "{} positions, {} near ties, {} other tokens; KL to the CPU {:.2g}, allowed {:.0e}",
          agreement.positions, agreement.near_ties, agreement.others, agreement.mean_kl(),
          precision.most_kl
      )
  };
}

}  // namespace

void check_models(const GpuCheckOptions& options, GpuReport& report) {
  for (const std::string& directory : options.models) {
    const std::string name = std::filesystem::path(directory).filename().string();
    for (const Precision& precision : kPrecisions) {
      report.check(fmt::format("{}, {}", name, precision.name), [&] {
        return compare(directory, options, precision);
      });
    }
  }
}

}  // namespace trellis
