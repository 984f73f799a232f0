// How a server that holds several models looks at their files, plans their memory and loads them.
// An interface, so that who loads when can be tested without models.
#pragma once

#include "trellis/engine.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace trellis {

/// What config.json tells of a model.
struct ModelSummary {
  std::string architecture;
  std::string format;          // "exl3" or "dense"
  std::optional<double> bits;  // a weight, on average
  int64_t context_tokens = 0;  // of one sequence, as an engine with these options serves it
};

/// Every method may be called from any thread. UserError says what is wrong with a model's files or
/// with the options.
class ModelLoader {
 public:
  virtual ~ModelLoader() = default;

  /// Bytes that models may take now where these options place them; 0: unknown.
  virtual size_t available_memory(const EngineOptions& options) = 0;
  virtual ModelSummary summarize(const EngineOptions& options) = 0;
  /// Bytes that load() would take. Where these are more than available_bytes (0: unknown, taken to
  /// be enough) and options.fit allows it, the options become those of a smaller cache; else
  /// UserError has the
  /// figures.
  virtual size_t plan(EngineOptions& options, size_t available_bytes) = 0;
  /// As Engine::load(). What progress throws ends the load and comes out of it.
  virtual std::unique_ptr<Engine> load(
      const EngineOptions& options, const Engine::Progress& progress
  ) = 0;
};

/// Loads what Engine::load() loads.
std::unique_ptr<ModelLoader> make_model_loader();

}  // namespace trellis
