#include "backend/op_case.h"

#include "base/half.h"
#include "exl3/kv_quant.h"

#include <cmath>

namespace trellis::test {

double tolerance(Accuracy accuracy, int64_t reduction_length, int stored_bits) {
  constexpr double kFloatUlp = 1.0 / (1 << 23);
  constexpr double kHalfUlp = 1.0 / (1 << 10);
  switch (accuracy) {
    case Accuracy::kExact:
      return 0.0;
    case Accuracy::kFloat32:
      // Rounding errors of a sum add up like a random walk; a few more ulps for what surrounds it.
      return kFloatUlp * (8.0 + std::sqrt(static_cast<double>(reduction_length)));
    case Accuracy::kHalfStored:
      return kHalfUlp / 4;
    case Accuracy::kRoundedInputs:
      return 1.5e-3;  // what ActivationPrecision::kAuto promises
    case Accuracy::kCodeStored:
      // A code's step is 2 / 2^bits of its group's largest magnitude, which is below four
      // deviations of the normal numbers of a row.
      return 4.0 * std::ldexp(2.0, -stored_bits) / std::sqrt(static_cast<double>(reduction_length));
  }
  return 0.0;
}

Tensor PreparedOp::allocate(Shape shape, DType dtype) {
  memory_.push_back(backend->allocate(bytes_of(shape, dtype)));
  return memory_.back().view(dtype, shape);
}

Tensor PreparedOp::allocate_stream_parts(int64_t rows, int64_t dim, int64_t inputs) {
  const int64_t parts = backend->ops().stream_parts(rows, dim, inputs);
  return parts == 0 ? Tensor() : allocate({parts * rows, dim});
}

const PackedLinear& PreparedOp::pack(const LinearWeight& weight) {
  weights_.push_back(backend->pack(weight));
  return *weights_.back();
}

std::vector<std::vector<float>> PreparedOp::rows() const {
  std::vector<std::vector<float>> rows;
  for (const Tensor& output : outputs) add_rows(output, rows);
  for (const KvSide& side : sides) add_rows(side, rows);
  return rows;
}

void PreparedOp::add_rows(ConstTensor output, std::vector<std::vector<float>>& rows) const {
  std::vector<char> raw(output.bytes());
  backend->download(output, raw.data());
  const ConstTensor host(raw.data(), output.dtype(), output.shape());
  for (int64_t r = 0; r < host.rows(); ++r) {
    std::vector<float>& row = rows.emplace_back();
    for (int64_t i = 0; i < host.row_size(); ++i) {
      switch (host.dtype()) {
        case DType::kFloat16:
          row.push_back(half_to_float(host.row<uint16_t>(r)[i]));
          break;
        case DType::kUint32: {
          const uint32_t word = host.row<uint32_t>(r)[i];
          row.push_back(static_cast<float>(word & 0xffff));
          row.push_back(static_cast<float>(word >> 16));
          break;
        }
        default:
          row.push_back(host.row<float>(r)[i]);
      }
    }
  }
}

void PreparedOp::add_rows(const KvSide& side, std::vector<std::vector<float>>& rows) const {
  std::vector<uint32_t> words(static_cast<size_t>(side.numbers.numel()));
  std::vector<uint16_t> scales(static_cast<size_t>(side.scales.numel()));
  backend->download(side.numbers, words.data());
  backend->download(side.scales, scales.data());
  const int bits = kv_bits(side.type());
  const auto groups = static_cast<size_t>(side.scales.row_size());
  for (size_t group = 0; group < scales.size(); ++group) {
    if (group % groups == 0) rows.emplace_back();
    exl3::KvCodes codes{};
    exl3::kv_unpack(words.data() + group * static_cast<size_t>(bits), bits, codes.codes);
    codes.scale = scales[group];
    float channels[exl3::kKvGroup];
    exl3::kv_dequantize(codes, bits, channels);
    rows.back().insert(rows.back().end(), channels, channels + exl3::kKvGroup);
  }
}

}  // namespace trellis::test
