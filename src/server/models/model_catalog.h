// Knows which models there are, and by which names: those that were added, and the folders of a
// directory. Inside src/server/models only; the pool's lock guards it.
#pragma once

#include "base/result.h"
#include "server/models/model_instance.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace trellis::server {

class ModelCatalog {
 public:
  /// directory: whose folders are models; empty: none. default_model: empty: the first that was
  /// added, or the only one. Throws UserError where the directory cannot be read.
  ModelCatalog(std::string directory, std::string default_model);
  ~ModelCatalog();
  ModelCatalog(const ModelCatalog&) = delete;
  ModelCatalog& operator=(const ModelCatalog&) = delete;

  /// The models of the directory, as they are now; without the lock. None where it cannot be read,
  /// which is logged.
  std::vector<std::string> scan() const;
  /// Learns of what was scanned. Forgets what has gone from the directory and is not loaded.
  void merge(const std::vector<std::string>& scanned);
  /// Adds a model, in the place of any other of that name or directory.
  void add(std::shared_ptr<PooledModel> model);

  const std::vector<std::shared_ptr<PooledModel>>& models() const { return models_; }
  /// Null: there is none of that name.
  std::shared_ptr<PooledModel> find(const std::string& name) const;
  /// As find(); without a name, or an empty one, the default. Null: there is none.
  std::shared_ptr<PooledModel> find_or_default(const std::optional<std::string>& name) const;
  /// The error for clients where find_or_default() found nothing.
  ApiError not_found(const std::optional<std::string>& name) const;

 private:
  const std::string directory_;
  const std::string default_model_;
  std::vector<std::shared_ptr<PooledModel>> models_;
};

}  // namespace trellis::server
