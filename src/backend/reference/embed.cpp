#include "backend/reference/element.h"
#include "backend/reference/reference_ops.h"

#include <algorithm>

namespace trellis::reference {

void ReferenceOps::embed(ConstTensor token_ids, ConstTensor table, Tensor out) {
  const int64_t hidden = table.dim(1);
  for (int64_t t = 0; t < token_ids.numel(); ++t) {
    const int64_t id = token_ids.as<int32_t>()[t];
    TRELLIS_CHECK(id >= 0 && id < table.dim(0), "a token id inside the vocabulary");
    for (int64_t i = 0; i < hidden; ++i) {
      out.row<float>(t)[i] =
          static_cast<float>(load_element(table.data(), table.dtype(), id * table.row_stride() + i)
          );
    }
  }
}

void ReferenceOps::gather_rows(ConstTensor x, ConstTensor rows, Tensor out) {
  for (int64_t i = 0; i < rows.numel(); ++i) {
    const float* row = x.row<float>(rows.as<int32_t>()[i]);
    std::copy(row, row + x.dim(1), out.row<float>(i));
  }
}

}  // namespace trellis::reference
