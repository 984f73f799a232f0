// Writes the weights of a quantized model: the finished layers in the place of the dense ones, and
// every other tensor of the source.
#pragma once

#include "checkpoint/checkpoint.h"
#include "convert/finished_linears.h"
#include "convert/model_files.h"
#include "convert/model_linears.h"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace trellis {

/// Writes model.safetensors or shards of it to the directory, embedding first, then the blocks in
/// their order, the head last, and notes every tensor in storage. fp32 and fp64 tensors become fp16
/// unless a number is too large for it. Returns the bytes of all tensors. Throws UserError.
uint64_t write_tensors(
    const Checkpoint& source, const std::vector<ModelLinear>& linears,
    const FinishedLinears& finished, const std::filesystem::path& directory,
    uint64_t max_shard_bytes, TensorStorage& storage
);

}  // namespace trellis
