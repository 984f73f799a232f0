#include "server/models/model_catalog.h"

#include "base/error.h"
#include "base/log.h"
#include "server/models/model_directory.h"

#include <algorithm>
#include <filesystem>
#include <utility>

namespace trellis::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostShownName = 200;

/// One path by one name, as far as it is there.
fs::path canonical(const fs::path& path) {
  std::error_code ignored;
  return fs::weakly_canonical(path, ignored);
}

bool is_called(const PooledModel& model, const std::string& name) {
  return std::find(model.names.begin(), model.names.end(), name) != model.names.end();
}

}  // namespace

ModelCatalog::ModelCatalog(std::string directory, std::string default_model)
    : directory_(std::move(directory)), default_model_(std::move(default_model)) {
  if (!directory_.empty()) merge(scan_models(directory_));
}

ModelCatalog::~ModelCatalog() {
  for (const auto& model : models_) {  // they refer to each other
    model->instance.reset();
    model->leaving.reset();
  }
}

std::vector<std::string> ModelCatalog::scan() const {
  if (directory_.empty()) return {};
  try {
    return scan_models(directory_);
  } catch (const UserError& error) {
    log_warn("{}", error.what());
    return {};
  }
}

void ModelCatalog::merge(const std::vector<std::string>& scanned) {
  std::erase_if(models_, [&](const auto& model) {
    return model->is_scanned && model->instance == nullptr && model->leaving == nullptr &&
           !std::binary_search(scanned.begin(), scanned.end(), model->name());
  });
  for (const std::string& name : scanned) {
    const std::string directory = (fs::path(directory_) / name).string();
    const bool is_known = std::any_of(models_.begin(), models_.end(), [&](const auto& model) {
      return is_called(*model, name) ||
             (!model->is_scanned && canonical(model->directory) == canonical(directory));
    });
    if (is_known) continue;
    auto model = std::make_shared<PooledModel>();
    model->names = {name};
    model->directory = directory;
    model->is_scanned = true;
    models_.push_back(std::move(model));
  }
}

void ModelCatalog::add(std::shared_ptr<PooledModel> model) {
  std::erase_if(models_, [&](const auto& other) {
    return canonical(other->directory) == canonical(model->directory) ||
           is_called(*model, other->name());
  });
  models_.insert(models_.begin(), std::move(model));
}

std::shared_ptr<PooledModel> ModelCatalog::find(const std::string& name) const {
  for (const auto& model : models_) {
    if (is_called(*model, name)) return model;
  }
  return nullptr;
}

std::shared_ptr<PooledModel> ModelCatalog::find_or_default(const std::optional<std::string>& name
) const {
  if (name && !name->empty()) return find(*name);
  if (!default_model_.empty()) return find(default_model_);
  if (models_.size() == 1 || (!models_.empty() && !models_.front()->is_scanned)) {
    return models_.front();
  }
  return nullptr;
}

ApiError ModelCatalog::not_found(const std::optional<std::string>& name) const {
  const bool is_default = !name || name->empty();
  const std::string example =
      models_.empty() ? "" : fmt::format(", for example \"{}\"", models_.front()->name());
  if (is_default && !models_.empty()) {
    return {
        400, "missing_required_parameter",
        fmt::format("several models are served here; name one of /v1/models{}", example), "model"
    };
  }
  return {
      404, "model_not_found",
      fmt::format(
          "there is no model \"{}\" here; /v1/models lists what is served{}",
          name.value_or("").substr(0, kMostShownName), example
      ),
      "model"
  };
}

}  // namespace trellis::server
