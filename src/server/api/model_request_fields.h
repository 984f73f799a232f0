// The bodies of POST /v1/model/load and /v1/model/unload.
#pragma once

#include "server/api/field.h"
#include "server/models/model_state.h"

namespace trellis::server {

struct LoadModelRequest {
  std::string model;
  ModelLoadOptions options;
  bool stream = true;
};

struct UnloadModelRequest {
  std::string model;
  bool force = false;  // requests that run end with an error
};

const Fields<LoadModelRequest>& load_model_request_fields();
const Fields<UnloadModelRequest>& unload_model_request_fields();

}  // namespace trellis::server
