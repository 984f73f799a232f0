#include "convert/quantize_model.h"

#include "base/error.h"
#include "base/half.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/model_config.h"
#include "checkpoint/safetensors_writer.h"
#include "checkpoint/weights.h"
#include "exl3/reference.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

namespace trellis {
namespace {

const std::filesystem::path kSource =
    std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "data" / "models" / "tiny-1m";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// Every file of a directory by name.
std::map<std::string, std::string> read_directory(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    files[entry.path().filename().string()] = read_file(entry.path());
  }
  return files;
}

/// Folders for the models of these tests, and one conversion that several of them look at.
class QuantizeModel : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::filesystem::path(::testing::TempDir()) /
                 ("quantize_model_" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    write_small_model(directory_ / "source");
    quantize_model(options("converted"), [](const QuantizeProgress& progress) {
      progress_.push_back(progress);
    });
  }
  static void TearDownTestSuite() {
    std::filesystem::remove_all(directory_);
    progress_.clear();
  }

  /// One block with random weights and odd sizes, in fp32, fp16 and bf16.
  static void write_small_model(const std::filesystem::path& model) {
    std::filesystem::create_directories(model);
    std::ofstream(model / "config.json") << R"({
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 96,
      "intermediate_size": 120, "num_hidden_layers": 1, "num_attention_heads": 2,
      "num_key_value_heads": 1, "head_dim": 48, "vocab_size": 100, "rms_norm_eps": 1e-5,
      "max_position_embeddings": 64, "hidden_act": "silu", "tie_word_embeddings": true,
      "attention_bias": true})";
    std::ofstream(model / "tokenizer.json") << "{}";
    std::ofstream(model / "pytorch_model.bin") << "old weights";
    const std::string block = "model.layers.0.";
    const std::vector<std::pair<std::string, Shape>> tensors = {
        {"model.embed_tokens.weight", {100, 96}},
        {"model.norm.weight", {96}},
        {block + "input_layernorm.weight", {96}},
        {block + "post_attention_layernorm.weight", {96}},
        {block + "self_attn.q_proj.weight", {96, 96}},
        {block + "self_attn.q_proj.bias", {96}},
        {block + "self_attn.k_proj.weight", {48, 96}},
        {block + "self_attn.k_proj.bias", {48}},
        {block + "self_attn.v_proj.weight", {48, 96}},
        {block + "self_attn.v_proj.bias", {48}},
        {block + "self_attn.o_proj.weight", {96, 96}},
        {block + "self_attn.o_proj.bias", {96}},
        {block + "mlp.gate_proj.weight", {120, 96}},
        {block + "mlp.up_proj.weight", {120, 96}},
        {block + "mlp.down_proj.weight", {96, 120}},
    };
    std::mt19937 random(3);
    std::normal_distribution<float> normal(0.0f, 0.02f);
    SafetensorsWriter writer(model);
    for (size_t index = 0; index < tensors.size(); ++index) {
      const auto& [name, shape] = tensors[index];
      std::vector<float> values(static_cast<size_t>(shape.numel()));
      for (float& value : values) value = normal(random);
      if (index % 3 == 2) {
        writer.add(name, {values.data(), DType::kFloat32, shape});
        continue;
      }
      std::vector<uint16_t> bits(values.size());
      for (size_t i = 0; i < bits.size(); ++i) {
        bits[i] = index % 3 == 0 ? float_to_half(values[i]) : float_to_bfloat16(values[i]);
      }
      writer.add(name, {bits.data(), index % 3 == 0 ? DType::kFloat16 : DType::kBFloat16, shape});
    }
    writer.finish();
  }

  static QuantizeOptions options(const std::string& output) {
    QuantizeOptions options;
    options.input = directory_ / "source";
    options.output = directory_ / output;
    options.bits = 5.0;
    options.head_bits = 6;
    options.threads = 2;
    return options;
  }
  static std::filesystem::path converted() { return directory_ / "converted"; }

  /// Converts until layer `index` is about to begin.
  static QuantizeReport convert_until(const QuantizeOptions& options, int64_t index) {
    std::atomic<bool> cancel = false;
    const auto stop = [&](const QuantizeProgress& progress) {
      if (progress.layer_index == index) cancel = true;
    };
    return quantize_model(options, stop, &cancel);
  }

  static inline std::filesystem::path directory_;
  static inline std::vector<QuantizeProgress> progress_;  // of the conversion to converted()
};

class QuantizeTinyModel : public QuantizeModel, public ::testing::WithParamInterface<int> {};

TEST_P(QuantizeTinyModel, HasTheErrorOfNormalNumbersInEveryLayer) {
  // The mean squared errors of normal numbers of variance 1, measured for this codebook elsewhere.
  const double layer_error = GetParam() == 3 ? 0.01754 : 0.00441;
  const double head_error = 0.000293;
  QuantizeOptions tiny;
  tiny.input = kSource;
  tiny.output = directory_ / ("tiny-exl3-" + std::to_string(GetParam()));
  tiny.bits = GetParam();
  tiny.threads = 2;

  const QuantizeReport report = quantize_model(tiny);

  ASSERT_EQ(report.linears.size(), 29u);
  EXPECT_DOUBLE_EQ(report.bits_per_weight, GetParam());
  for (const LinearReport& linear : report.linears) {
    const double expected = linear.key == "lm_head" ? head_error : layer_error;
    EXPECT_NEAR(linear.relative_error, expected, 0.10 * expected) << linear.key;
  }
  EXPECT_EQ(report.linears.back().key, "lm_head");
  EXPECT_EQ(report.linears.back().bits, 6);

  // What was written says the same through the loader and the reference decoder.
  const Checkpoint source(kSource);
  const Checkpoint written(tiny.output);
  const ModelConfig config = read_model_config(tiny.output);
  ASSERT_TRUE(config.quantization.has_value());
  EXPECT_EQ(config.quantization->bits, GetParam());
  EXPECT_EQ(config.quantization->codebook, exl3::Codebook::kMul1);
  for (const LinearReport& linear : report.linears) {
    const bool is_head = linear.key == "lm_head";
    const LinearWeight loaded =
        is_head ? load_head(written, linear.in, linear.out, true)
                : load_linear(written, linear.key, linear.in, linear.out, false);
    const auto& weight = std::get<Exl3Weight>(loaded);
    ASSERT_EQ(weight.bits, linear.bits) << linear.key;
    const std::vector<float> decoded = exl3::reconstruct(
        {weight.padded_in(), weight.padded_out(), weight.bits, weight.codebook,
         weight.trellis.data(), weight.suh.data(), weight.svh.data()}
    );
    const std::string original_name =
        is_head ? "model.embed_tokens.weight" : linear.key + ".weight";
    const ConstTensor original = source.tensor(original_name);
    double error = 0.0;
    double power = 0.0;
    for (int64_t n = 0; n < linear.out; ++n) {
      for (int64_t k = 0; k < linear.in; ++k) {
        uint16_t bits = 0;
        std::memcpy(&bits, static_cast<const char*>(original.data()) + 2 * (n * linear.in + k), 2);
        const double wanted = half_to_float(bits);
        const double got = decoded[static_cast<size_t>(k * weight.padded_out() + n)];
        error += (got - wanted) * (got - wanted);
        power += wanted * wanted;
      }
    }
    EXPECT_NEAR(error / power, linear.relative_error, 1e-3 * linear.relative_error) << linear.key;
  }
}

INSTANTIATE_TEST_SUITE_P(Bits, QuantizeTinyModel, ::testing::Values(3, 4), [](const auto& info) {
  return std::to_string(info.param) + "_bits";
});

TEST_F(QuantizeModel, KeepsHalvesAndBrainFloatsAndMakesFp32Halves) {
  const Checkpoint source(directory_ / "source");
  const Checkpoint written(converted());

  for (const std::string name : {"model.embed_tokens.weight", "model.norm.weight"}) {
    const ConstTensor before = source.tensor(name);
    const ConstTensor after = written.tensor(name);
    ASSERT_EQ(after.dtype(), before.dtype()) << name;
    EXPECT_EQ(std::memcmp(after.data(), before.data(), before.bytes()), 0) << name;
  }
  const std::string norm = "model.layers.0.input_layernorm.weight";
  ASSERT_EQ(source.tensor(norm).dtype(), DType::kFloat32);
  EXPECT_EQ(written.tensor(norm).dtype(), DType::kFloat16);
  const std::vector<float> before = load_vector(source, norm, 96);
  const std::vector<float> after = load_vector(written, norm, 96);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i], half_to_float(float_to_half(before[i])));
  }
  EXPECT_FALSE(written.has("model.layers.0.mlp.up_proj.weight"));
}

TEST_F(QuantizeModel, PadsTheBiasOfAQuantizedLayerWithZeros) {
  const std::string name = "model.layers.0.self_attn.k_proj.bias";
  const Checkpoint source(directory_ / "source");
  const Checkpoint written(converted());

  ASSERT_EQ(written.tensor(name).shape(), Shape{128});
  const std::vector<float> before = load_vector(source, name, 48);
  const std::vector<float> after = load_vector(written, name, 128);

  for (size_t i = 0; i < after.size(); ++i) {
    EXPECT_NEAR(after[i], i < 48 ? before[i] : 0.0f, 1e-4f);
  }
}

TEST_F(QuantizeModel, CopiesOtherFilesButNoOldWeights) {
  EXPECT_EQ(read_file(converted() / "tokenizer.json"), "{}");
  EXPECT_FALSE(std::filesystem::exists(converted() / "pytorch_model.bin"));
  EXPECT_FALSE(std::filesystem::exists(converted().string() + ".partial"));
}

TEST_F(QuantizeModel, DescribesEveryTensorForOtherPrograms) {
  const Json document = read_json_file(converted() / "quantization_config.json");
  const Json config = read_json_file(converted() / "config.json");

  EXPECT_EQ(document.at("quant_method"), "exl3");
  EXPECT_EQ(document.at("head_bits"), 6);
  EXPECT_EQ(config.at("quantization_config").at("codebook"), "mul1");
  EXPECT_EQ(config.at("hidden_size"), 96);
  const Json& down = document.at("tensor_storage").at("model.layers.0.mlp.down_proj");
  EXPECT_EQ(down.at("quant_format"), "exl3");
  EXPECT_EQ(down.at("bits_per_weight"), 5);
  EXPECT_EQ(down.at("mul1_multiplier"), 2212286765u);
  const Checkpoint written(converted());
  size_t described = 0;
  for (const auto& [module, entry] : document.at("tensor_storage").items()) {
    for (const auto& [name, stored] : entry.at("stored_tensors").items()) {
      EXPECT_EQ(stored.at("n_bytes"), written.tensor(name).bytes()) << name;
      ++described;
    }
  }
  EXPECT_EQ(described, written.names().size());
}

TEST_F(QuantizeModel, ProgressRunsFromNothingTowardsTheWhole) {
  ASSERT_GE(progress_.size(), 8u);
  EXPECT_EQ(progress_.front().done, 0.0);
  double last = 0.0;
  for (const QuantizeProgress& progress : progress_) {
    EXPECT_GE(progress.done, last);
    EXPECT_LE(progress.done, 1.0);
    EXPECT_EQ(progress.num_layers, 8);
    last = progress.done;
  }
}

TEST_F(QuantizeModel, TheSameSeedGivesTheSameBytesWithEveryNumberOfThreads) {
  QuantizeOptions again = options("again");
  again.threads = 3;

  quantize_model(again);

  EXPECT_EQ(read_directory(again.output), read_directory(converted()));
}

TEST_F(QuantizeModel, AnInterruptedConversionGoesOnToTheSameBytes) {
  const QuantizeOptions interrupted = options("interrupted");

  const QuantizeReport first = convert_until(interrupted, 3);
  const bool existed_before_the_end = std::filesystem::exists(interrupted.output);
  const QuantizeReport second = quantize_model(interrupted);

  EXPECT_TRUE(first.cancelled);
  EXPECT_EQ(first.linears.size(), 3u);
  EXPECT_FALSE(existed_before_the_end);
  EXPECT_FALSE(second.cancelled);
  for (size_t index = 0; index < second.linears.size(); ++index) {
    EXPECT_EQ(second.linears[index].reused, index < 3) << second.linears[index].key;
  }
  EXPECT_EQ(read_directory(interrupted.output), read_directory(converted()));
}

TEST_F(QuantizeModel, LayersOfOtherOptionsAreNotReused) {
  QuantizeOptions changing = options("changing");
  convert_until(changing, 1);
  const QuantizeReport same = convert_until(changing, 1);
  changing.seed = 5;
  const QuantizeReport changed = convert_until(changing, 1);

  EXPECT_TRUE(same.linears.at(0).reused);
  EXPECT_FALSE(changed.linears.at(0).reused);
}

TEST_F(QuantizeModel, LayersOfAnotherSourceAreNotReused) {
  QuantizeOptions changing = options("changing_source");
  changing.input = directory_ / "other_source";
  std::filesystem::copy(directory_ / "source", changing.input);
  convert_until(changing, 1);
  {
    // One bit of one weight differs.
    const std::filesystem::path weights = changing.input / "model.safetensors";
    const SafetensorsFile file(weights);
    const auto& entry = file.entries().at("model.layers.0.self_attn.q_proj.weight");
    std::string bytes = read_file(weights);
    const size_t data = 8 + static_cast<uint8_t>(bytes[0]) + 256u * static_cast<uint8_t>(bytes[1]);
    bytes[data + entry.begin] = static_cast<char>(bytes[data + entry.begin] ^ 1);
    std::ofstream(changing.input / "changed", std::ios::binary) << bytes;
  }
  std::filesystem::rename(changing.input / "changed", changing.input / "model.safetensors");

  const QuantizeReport changed = convert_until(changing, 1);

  EXPECT_FALSE(changed.linears.at(0).reused);
}

TEST_F(QuantizeModel, ADamagedFinishedLayerIsQuantizedAgain) {
  const QuantizeOptions damaged = options("damaged");
  convert_until(damaged, 2);
  const std::filesystem::path finished =
      damaged.output.string() + ".partial/linears/" + "model.layers.0.self_attn.q_proj.safetensors";
  ASSERT_TRUE(std::filesystem::exists(finished));
  std::filesystem::resize_file(finished, 100);

  const QuantizeReport report = convert_until(damaged, 2);

  EXPECT_FALSE(report.linears.at(0).reused);
  EXPECT_TRUE(report.linears.at(1).reused);
}

TEST_F(QuantizeModel, SixteenHeadBitsLeaveATiedHeadToTheEmbedding) {
  QuantizeOptions quick = options("head16");
  quick.head_bits = 16;

  quantize_model(quick);

  const Checkpoint written(quick.output);
  EXPECT_FALSE(written.has("lm_head.trellis"));
  const LinearWeight head = load_head(written, 96, 100, true);
  EXPECT_TRUE(std::holds_alternative<DenseWeight>(head));
}

TEST_F(QuantizeModel, RefusesAnOutputThatHoldsSomething) {
  const QuantizeOptions quick = options("taken");
  std::filesystem::create_directories(quick.output);
  std::ofstream(quick.output / "notes.txt") << "mine";

  EXPECT_THROW(quantize_model(quick), UserError);
  EXPECT_EQ(read_file(quick.output / "notes.txt"), "mine");
}

TEST_F(QuantizeModel, RefusesAModelThatIsQuantizedAlready) {
  QuantizeOptions again = options("twice");
  again.input = converted();

  EXPECT_THROW(quantize_model(again), UserError);
}

TEST_F(QuantizeModel, RefusesBitsOutOfRange) {
  QuantizeOptions few = options("out");
  few.bits = 0.5;
  QuantizeOptions many = options("out");
  many.bits = 8.5;
  QuantizeOptions head = options("out");
  head.head_bits = 9;

  EXPECT_THROW(quantize_model(few), UserError);
  EXPECT_THROW(quantize_model(many), UserError);
  EXPECT_THROW(quantize_model(head), UserError);
}

}  // namespace
}  // namespace trellis
