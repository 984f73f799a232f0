// The layers that a conversion has already quantized, one small file each in its partial directory.
// An interrupted conversion finds them there and goes on with the rest.
#pragma once

#include "checkpoint/safetensors.h"
#include "convert/linear_quantizer.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace trellis {

/// What a quantized layer depends on. Equal recipes give equal bytes.
struct LinearRecipe {
  std::string key;     // of the layer
  ConstTensor weight;  // [out, in], the source
  LinearQuantizerOptions options;
};

/// Stores finished layers in a directory of its own. Used by one thread; another process that wants
/// the same directory is refused.
class FinishedLinears {
 public:
  /// Creates the directory if there is none. Throws UserError if it cannot, or if another
  /// conversion is using it.
  explicit FinishedLinears(const std::filesystem::path& directory);
  ~FinishedLinears();
  FinishedLinears(const FinishedLinears&) = delete;
  FinishedLinears& operator=(const FinishedLinears&) = delete;

  struct Result {
    float gain = 1.0f;
    double relative_error = 0.0;
  };

  /// What is known about the layer if it was finished with this very recipe; a file of another
  /// recipe or a damaged one counts as none. Reads the whole source weight once.
  std::optional<Result> find(const LinearRecipe& recipe) const;

  /// Keeps a layer, replacing an older one. The file appears whole or not at all.
  void add(const LinearRecipe& recipe, const QuantizedLinear& linear) const;

  /// Opens a finished layer: the tensors <key>.trellis, .suh, .svh and the codebook's marker.
  std::unique_ptr<SafetensorsFile> open(const std::string& key) const;

  /// Removes the directory with all that this class put there.
  void remove_all();

 private:
  std::filesystem::path file_of(const std::string& key) const;

  std::filesystem::path directory_;
  int lock_ = -1;
};

}  // namespace trellis
