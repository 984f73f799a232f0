// One op on one shape, ready to run on any backend: what the oracle tests compare and the
// benchmarks time. Inputs come from the case's seed, so every backend sees the same numbers.
#pragma once

#include "backend/backend.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace trellis::test {

/// What decides how near to exact a result must be.
enum class Accuracy : uint8_t {
  kExact,          // moves numbers, or rounds each once
  kFloat32,        // fp32 arithmetic
  kHalfStored,     // fp32 arithmetic, then stored in fp16: a border case may round the other way
  kRoundedInputs,  // an op that may round its inputs, as ActivationPrecision allows
  kCodeStored,     // fp32 arithmetic, then stored in a few bits: the same, of one number in a row
};

/// The largest relative root mean square error of a row. reduction_length: numbers that a result
/// sums; kCodeStored: numbers of a row. stored_bits: kCodeStored only.
double tolerance(Accuracy accuracy, int64_t reduction_length, int stored_bits = 0);

/// An op with its arguments in a backend's memory. run() may be called again and again: ops that
/// work in place then start from their own results.
class PreparedOp {
 public:
  explicit PreparedOp(Backend& backend) : backend(&backend) {}

  /// Copies `values` into memory of the backend that lives as long as this object. Sizes must
  /// agree.
  template <typename T>
  Tensor upload(const std::vector<T>& values, Shape shape, DType dtype = dtype_of<T>()) {
    TRELLIS_CHECK_EQ(values.size() * sizeof(T), bytes_of(shape, dtype), "bytes of a tensor");
    const Tensor tensor = allocate(shape, dtype);
    backend->upload(tensor, values.data());
    return tensor;
  }
  /// Zeros.
  Tensor allocate(Shape shape, DType dtype = DType::kFloat32);
  /// ResidualStream::parts of a stream to which layers of up to so many inputs are added.
  Tensor allocate_stream_parts(int64_t rows, int64_t dim, int64_t inputs);
  const PackedLinear& pack(const LinearWeight& weight);

  /// Every output's rows as fp32, in order; a row is a tensor's last dimension. Words are two
  /// numbers each, their low and their high half, which fp32 holds exactly. Then the rows of the
  /// channels that `sides` hold.
  std::vector<std::vector<float>> rows() const;

  Backend* backend;
  std::function<void()> run;
  std::vector<Tensor> outputs;
  std::vector<KvSide> sides;  // quantized outputs, to be compared by what they stand for
  double bytes = 0;           // moved by one run, at least: each input and output once

 private:
  void add_rows(ConstTensor output, std::vector<std::vector<float>>& rows) const;
  void add_rows(const KvSide& side, std::vector<std::vector<float>>& rows) const;
  static size_t bytes_of(Shape shape, DType dtype) {
    return static_cast<size_t>(shape.numel()) * dtype_bytes(dtype);
  }

  std::vector<Buffer> memory_;
  std::vector<std::unique_ptr<PackedLinear>> weights_;
};

struct OpCase {
  std::string name;  // e.g. "linear exl3 4-bit mul1 256x384 rows 3"
  Accuracy accuracy = Accuracy::kFloat32;
  int64_t reduction_length = 1;
  std::function<PreparedOp(Backend&)> prepare;
  int stored_bits = 0;  // of a number, for Accuracy::kCodeStored
};

}  // namespace trellis::test
