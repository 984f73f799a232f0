#include "convert/model_files.h"

#include "base/error.h"
#include "base/output_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>

namespace trellis {
namespace {

constexpr const char* kConverterVersion = "0.1.0";
constexpr int kIndent = 4;

/// The dtype's name in this file, which other programs read.
std::string torch_dtype(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return "torch.float16";
    case DType::kBFloat16:
      return "torch.bfloat16";
    case DType::kFloat32:
      return "torch.float32";
    case DType::kFloat64:
      return "torch.float64";
    case DType::kInt8:
      return "torch.int8";
    case DType::kUint8:
      return "torch.uint8";
    case DType::kInt16:
      return "torch.int16";
    case DType::kUint16:
      return "torch.uint16";
    case DType::kInt32:
      return "torch.int32";
    case DType::kUint32:
      return "torch.uint32";
    case DType::kInt64:
      return "torch.int64";
    case DType::kUint64:
      return "torch.uint64";
    case DType::kBool:
      return "torch.bool";
    case DType::kFloat8E4M3:
      return "torch.float8_e4m3fn";
    case DType::kFloat8E5M2:
      return "torch.float8_e5m2";
  }
  return "";
}

bool is_weight_file(const std::filesystem::path& path) {
  constexpr std::array<const char*, 11> kWeights = {".safetensors", ".bin",  ".ckpt",    ".pth",
                                                    ".pt",          ".gguf", ".msgpack", ".h5",
                                                    ".onnx",        ".ot",   ".npz"};
  const std::string extension = path.extension().string();
  return std::ranges::find(kWeights, extension) != kWeights.end();
}

/// Whether a file describes the source's weights, which the destination does not have.
bool is_replaced(const std::string& name) {
  return name == "config.json" || name == "quantization_config.json" ||
         name.ends_with(".index.json");
}

void write_json(const std::filesystem::path& path, const OrderedJson& document) {
  OutputFile file(path.string() + ".new");
  file.write(document.dump(kIndent) + "\n");
  file.rename_to(path);
}

OrderedJson quantization_config(const QuantizationSummary& summary) {
  return {
      {"quant_method", "exl3"},
      {"version", kConverterVersion},
      {"bits", std::round(summary.bits * 100.0) / 100.0},
      {"head_bits", summary.head_bits},
      {"calibration", {{"rows", 0}, {"cols", 0}}},
      {"out_scales", "always"},
      {"codebook", exl3::codebook_name(summary.codebook)},
  };
}

}  // namespace

void TensorStorage::add(const std::string& name, const ConstTensor& tensor) {
  const size_t dot = name.rfind('.');
  const std::string module = name.substr(0, dot == std::string::npos ? 0 : dot);
  OrderedJson& entry = modules_[module];
  OrderedJson shape = OrderedJson::array();
  for (int axis = 0; axis < tensor.rank(); ++axis) shape.push_back(tensor.dim(axis));
  entry["stored_tensors"][name] = {
      {"shape", shape}, {"n_bytes", tensor.bytes()}, {"dtype", torch_dtype(tensor.dtype())}
  };
  if (!name.ends_with(".trellis")) return;
  entry["quant_format"] = "exl3";
  entry["bits_per_weight"] = tensor.dim(2) / 16;
  if (codebook_ == exl3::Codebook::kMcg) entry["mcg_multiplier"] = exl3::kMcgMultiplier;
  if (codebook_ == exl3::Codebook::kMul1) entry["mul1_multiplier"] = exl3::kMul1Multiplier;
}

void copy_model_files(
    const std::filesystem::path& source, const std::filesystem::path& destination
) {
  for (const auto& entry : std::filesystem::directory_iterator(source)) {
    const std::string name = entry.path().filename().string();
    const bool is_copied = entry.is_regular_file() && !name.starts_with('.') &&
                           !is_weight_file(entry.path()) && !is_replaced(name);
    if (!is_copied) continue;
    std::error_code error;
    std::filesystem::copy_file(
        entry.path(), destination / name, std::filesystem::copy_options::overwrite_existing, error
    );
    if (error) {
      throw UserError("{}: cannot be copied: {}", entry.path().string(), error.message());
    }
    // The source may be read-only; the copy is the user's own.
    std::filesystem::permissions(
        destination / name, std::filesystem::perms::owner_write, std::filesystem::perm_options::add,
        error
    );
  }
}

void write_configs(
    const std::filesystem::path& source, const std::filesystem::path& destination,
    const QuantizationSummary& summary, const TensorStorage& storage
) {
  const std::filesystem::path config_path = source / "config.json";
  read_json_file(config_path);  // checks size and nesting before the reader that keeps the order
  std::ifstream stream(config_path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  OrderedJson config = OrderedJson::parse(text);
  OrderedJson quantization = quantization_config(summary);
  config["quantization_config"] = quantization;
  write_json(destination / "config.json", config);
  quantization["tensor_storage"] = storage.json();
  write_json(destination / "quantization_config.json", quantization);
}

}  // namespace trellis
