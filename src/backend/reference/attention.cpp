#include "backend/reference/element.h"
#include "backend/reference/reference_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace trellis::reference {
namespace {

/// Where the numbers of one position and one kv head begin in a cache tensor.
int64_t cache_index(
    const AttentionArgs& args, const int32_t* pages, int64_t position, int64_t head
) {
  const int64_t page = pages[position / kPageTokens];
  const int64_t offset = position % kPageTokens;
  return ((page * args.num_kv_heads + head) * kPageTokens + offset) * args.head_dim;
}

/// out = softmax(scale * q K^T) V over the positions [first, last].
void attend(
    const AttentionArgs& args, const int32_t* pages, int64_t first, int64_t last, int64_t kv_head,
    const float* query, float* out
) {
  std::vector<double> weights;
  for (int64_t p = first; p <= last; ++p) {
    const int64_t key = cache_index(args, pages, p, kv_head);
    double product = 0.0;
    for (int64_t i = 0; i < args.head_dim; ++i) {
      product += query[i] * load_element(args.cache.keys.data(), args.cache.keys.dtype(), key + i);
    }
    weights.push_back(product * args.scale);
  }
  const double greatest = *std::max_element(weights.begin(), weights.end());
  double sum = 0.0;
  for (double& weight : weights) sum += weight = std::exp(weight - greatest);
  std::vector<double> mix(static_cast<size_t>(args.head_dim), 0.0);
  for (int64_t p = first; p <= last; ++p) {
    const int64_t value = cache_index(args, pages, p, kv_head);
    const double share = weights[static_cast<size_t>(p - first)] / sum;
    for (int64_t i = 0; i < args.head_dim; ++i) {
      mix[static_cast<size_t>(i)] +=
          share * load_element(args.cache.values.data(), args.cache.values.dtype(), value + i);
    }
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
