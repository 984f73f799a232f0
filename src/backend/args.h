// Arguments of the ops that take more than five: shapes are written beside each field. All tensors
// are views.
#pragma once

#include "backend/kv_type.h"
#include "backend/packed_linear.h"
#include "tensor/tensor.h"

namespace trellis {

/// Positions per KV page, and the span in which the CPU sums attention: a constant of the build.
inline constexpr int kPageTokens = 256;

/// Where a step's tokens stand. Arrays at fixed addresses of the device; filled once per step.
/// One sequence's tokens are consecutive rows, at consecutive positions.
struct DeviceStep {
  ConstTensor token_ids;    // [tokens] i32
  ConstTensor positions;    // [tokens] i32, absolute position in the sequence
  ConstTensor cache_slots;  // [tokens] i32, page * kPageTokens + offset where the token's K and V
                            // are stored
  ConstTensor
      row_begin;  // [sequences + 1] i32, first row of each sequence, then the number of tokens
  ConstTensor
      kv_length;  // [sequences] i32, positions in the cache once this step's tokens are stored
  ConstTensor page_table;  // [sequences, max_pages] i32
  ConstTensor logit_rows;  // [logits] i32, rows whose logits are wanted, ascending
  int max_kv_length = 0;   // a bound of kv_length, known to the host
};

/// Keys or values of one layer.
///
/// fp16, fp32: numbers is [pages, kv_heads, kPageTokens, head_dim] and scales is empty.
/// 2 to 8 bits: head_dim is cut into groups of exl3::kKvGroup = 32 channels, which never cross a
/// head. numbers is u32 [pages, kv_heads, kPageTokens, head_dim / 32 * bits], a group's words one
/// after the other as exl3::kv_pack() makes them, and scales is fp16 [pages, kv_heads, kPageTokens,
/// head_dim / 32]. So a head's part of a page is two stretches without holes: kPageTokens rows of
/// words, and kPageTokens rows of scales.
struct KvSide {
  Tensor numbers;
  Tensor scales;

  KvType type() const;
  int64_t num_kv_heads() const { return numbers.dim(1); }
  int64_t head_dim() const;
  /// Row of numbers and of scales where position `slot` of a head stands.
  int64_t row(int64_t slot, int64_t kv_head) const {
    return (slot / kPageTokens * num_kv_heads() + kv_head) * kPageTokens + slot % kPageTokens;
  }
};

/// One layer's cache. Keys are stored after their norm and rotation by position.
struct KvLayer {
  Tensor keys;
  Tensor values;
  Tensor key_scales = {};    // empty unless keys are quantized
  Tensor value_scales = {};  // empty unless values are quantized

  KvSide key_side() const { return {keys, key_scales}; }
  KvSide value_side() const { return {values, value_scales}; }
};

/// Rotary embedding: rotates pairs (i, i + rotary_dim / 2) of each head by position *
/// inverse_frequency[i].
struct RopeArgs {
  ConstTensor inverse_frequency;  // [rotary_dim / 2] fp32, long-context scaling already applied
  float attention_factor = 1.0f;  // multiplies cos and sin (YaRN's mscale; 1 otherwise)
};

/// Causal attention of a step's tokens over the paged cache, which already holds their own K and V.
struct AttentionArgs {
  ConstTensor queries;  // [tokens, heads * head_dim] fp32, rotated
  KvLayer cache;
  float scale = 1.0f;  // multiplies q.k before the softmax
  int num_heads = 0;
  int num_kv_heads =
      0;  // divides num_heads; query head h reads kv head h / (num_heads / num_kv_heads)
  int head_dim = 0;
  int window = 0;  // a position sees itself and the window - 1 before it; 0 = all before it
  Tensor output;   // [tokens, heads * head_dim] fp32
};

/// Normalise heads (where the model does), rotate queries and keys, and append keys and values to
/// the cache.
struct NormRopeStoreArgs {
  Tensor queries;          // [tokens, heads * head_dim] fp32, in place
  Tensor keys;             // [tokens, kv_heads * head_dim] fp32, in place
  Tensor values;           // [tokens, kv_heads * head_dim] fp32
  ConstTensor query_norm;  // [head_dim] fp32 or empty
  ConstTensor key_norm;    // [head_dim] fp32 or empty
  float epsilon = 1e-6f;
  RopeArgs rope;
  KvLayer cache;
  int head_dim = 0;
};

enum class Activation : uint8_t { kSilu };

/// The residual stream of a step, to which every attention and feed-forward layer adds its output.
/// The output may still be on its way: the op that reads the stream next then adds it first, which
/// a device can do in passing.
struct ResidualStream {
  Tensor x;       // [tokens, hidden] fp32
  Tensor addend;  // [tokens, hidden] fp32, what x += addend is still to be done with
  bool has_addend = false;
  const PackedLinear* unfinished = nullptr;  // the layer of which addend holds what its backend has
                                             // computed so far; null: its outputs
  Tensor parts;  // [Ops::stream_parts() * tokens, hidden] fp32, for what has no place in addend
  Tensor units;  // [tokens] fp32: with has_units, the sum of a row's parts is yet to be multiplied
  int num_parts = 1;                  // that add up to what is unfinished
  DType part_type = DType::kFloat32;  // of their numbers; fp16 ones take half the room
  bool has_units = false;
};

/// How a layer reads the residual stream: normalised.
struct StreamNorm {
  ConstTensor weight;  // [hidden] fp32
  float epsilon = 1e-6f;
  Tensor normed;  // [tokens, hidden] fp32, scratch
};

/// The layers in front of attention.
struct QkvWeights {
  const PackedLinear* query = nullptr;
  const PackedLinear* key = nullptr;
  const PackedLinear* value = nullptr;
};

/// The gated feed-forward layer: down(activation(gate(x)) * up(x)).
struct MlpArgs {
  StreamNorm norm;
  const PackedLinear* gate = nullptr;
  const PackedLinear* up = nullptr;
  const PackedLinear* down = nullptr;
  Activation activation = Activation::kSilu;
  Tensor gated;  // [tokens, intermediate] fp32, scratch
  Tensor upped;  // [tokens, intermediate] fp32, scratch
};

/// The choice of a token from each row of logits. choices and edits are arrays of structs of
/// token_choice.h, as bytes.
struct ChooseTokensArgs {
  Tensor logits;           // [rows, vocab] fp32, overwritten
  ConstTensor choices;     // [rows, sizeof(TokenChoice)] u8
  ConstTensor edits;       // [edits, sizeof(TokenEdit)] u8, or empty
  bool any_draws = false;  // some choice draws()
  bool any_cuts = false;   // some choice cuts()
  Tensor chosen;           // [rows] i32: the token, or -1 where none is possible
};

}  // namespace trellis
