#include "backend/reference/kv_row.h"
#include "backend/reference/reference_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace trellis::reference {
namespace {

/// out = softmax(scale * q K^T) V over the positions [first, last].
void attend(
    const AttentionArgs& args, const int32_t* pages, int64_t first, int64_t last, int64_t kv_head,
    const float* query, float* out
) {
  const auto load = [&](const KvSide& side, int64_t position, std::vector<double>& channels) {
    const int64_t slot = int64_t{pages[position / kPageTokens]} * kPageTokens;
    load_kv_row(side, side.row(slot + position % kPageTokens, kv_head), channels.data());
  };
  const KvSide keys = args.cache.key_side();
  const KvSide values = args.cache.value_side();
  const auto size = static_cast<size_t>(args.head_dim);
  std::vector<double> channels(size);
  std::vector<double> weights;
  for (int64_t p = first; p <= last; ++p) {
    load(keys, p, channels);
    double product = 0.0;
    for (size_t i = 0; i < size; ++i) product += query[i] * channels[i];
    weights.push_back(product * args.scale);
  }
  const double greatest = *std::max_element(weights.begin(), weights.end());
  double sum = 0.0;
  for (double& weight : weights) sum += weight = std::exp(weight - greatest);
  std::vector<double> mix(size, 0.0);
  for (int64_t p = first; p <= last; ++p) {
    load(values, p, channels);
    const double share = weights[static_cast<size_t>(p - first)] / sum;
    for (size_t i = 0; i < size; ++i) mix[i] += share * channels[i];
  }
  std::transform(mix.begin(), mix.end(), out, [](double number) {
    return static_cast<float>(number);
  });
}

}  // namespace

void ReferenceOps::attention(const AttentionArgs& args, const DeviceStep& step) {
  const int64_t heads_per_kv = args.num_heads / args.num_kv_heads;
  const int32_t* row_begin = step.row_begin.as<int32_t>();
  for (int64_t s = 0; s < step.kv_length.numel(); ++s) {
    const int32_t* pages = step.page_table.row<int32_t>(s);
    for (int64_t t = row_begin[s]; t < row_begin[s + 1]; ++t) {
      const int64_t position = step.positions.as<int32_t>()[t];
      TRELLIS_CHECK(position < step.kv_length.as<int32_t>()[s], "a position in the cache");
      const int64_t first = args.window > 0 ? std::max<int64_t>(0, position - args.window + 1) : 0;
      for (int64_t head = 0; head < args.num_heads; ++head) {
        attend(
            args, pages, first, position, head / heads_per_kv,
            args.queries.row<float>(t) + head * args.head_dim,
            args.output.row<float>(t) + head * args.head_dim
        );
      }
    }
  }
}

}  // namespace trellis::reference
