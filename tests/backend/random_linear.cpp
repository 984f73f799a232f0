#include "backend/random_linear.h"

#include <cmath>
#include <cstring>

namespace trellis::test {
namespace {

template <typename T>
std::vector<char> bytes_of(const std::vector<T>& values) {
  std::vector<char> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

int64_t padded(int64_t size) {
  return (size + 127) / 128 * 128;
}

}  // namespace

std::string WeightFormat::name() const {
  if (is_exl3()) return fmt::format("exl3 {}-bit {}", bits, exl3::codebook_name(codebook));
  return std::string(dtype_name(dtype));
}

std::vector<WeightFormat> dense_formats() {
  return {
      WeightFormat::dense(DType::kFloat32), WeightFormat::dense(DType::kFloat16),
      WeightFormat::dense(DType::kBFloat16)
  };
}

std::vector<WeightFormat> exl3_formats() {
  std::vector<WeightFormat> formats;
  for (int codebook = 0; codebook < exl3::kNumCodebooks; ++codebook) {
    for (int bits = 1; bits <= 8; ++bits) {
      formats.push_back(WeightFormat::exl3(bits, static_cast<exl3::Codebook>(codebook)));
    }
  }
  return formats;
}

RandomLinear::RandomLinear(const WeightFormat& format, const LinearShape& shape, uint64_t seed) {
  RandomData random(seed);
  if (!format.is_exl3()) {
    const float deviation = 1.0f / std::sqrt(static_cast<float>(shape.in));
    DenseWeight dense;
    dense.weight =
        keep(random.normals(shape.in * shape.out, deviation), {shape.out, shape.in}, format.dtype);
    if (shape.bias) dense.bias = keep(random.normals(shape.out), {shape.out}, format.dtype);
    weight_ = dense;
    return;
  }
  const int64_t in = padded(shape.in);
  const int64_t out = padded(shape.out);
  Exl3Weight exl3;
  exl3.bits = format.bits;
  exl3.codebook = format.codebook;
  exl3.in_features = shape.in;
  exl3.out_features = shape.out;
  // An odd address, as in files: nobody may count on alignment.
  std::vector<char> tiles = bytes_of(random.words(in * out / 16 * format.bits));
  tiles.insert(tiles.begin(), 0);
  storage_.push_back(std::move(tiles));
  exl3.trellis = {
      storage_.back().data() + 1, DType::kInt16, {in / 16, out / 16, int64_t{16} * format.bits}
  };
  exl3.suh = narrow(random.normals(in, 0.05f), DType::kFloat16);
  exl3.svh = narrow(random.normals(out), DType::kFloat16);
  for (size_t n = 5; n < exl3.svh.size(); n += 61) exl3.svh[n] = 0;
  if (shape.bias) exl3.bias = keep(random.normals(shape.out), {shape.out}, DType::kFloat16);
  weight_ = exl3;
}

ConstTensor RandomLinear::keep(const std::vector<float>& values, Shape shape, DType dtype) {
  storage_.push_back(dtype == DType::kFloat32 ? bytes_of(values) : bytes_of(narrow(values, dtype)));
  return {storage_.back().data(), dtype, shape};
}

}  // namespace trellis::test
