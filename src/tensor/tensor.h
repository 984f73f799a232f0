// Tensor and ConstTensor: trivially copyable views of memory that someone else owns. At most 4
// dimensions, the last one contiguous; rows may be strided. No arithmetic, no reference counts: see
// tensor/buffer.h for the owner.
#pragma once

#include "base/error.h"
#include "tensor/dtype.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace trellis {

inline constexpr int kMaxRank = 4;

/// The sizes of a tensor, outermost first.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) {
    TRELLIS_CHECK(dims.size() <= kMaxRank, "a tensor has at most 4 dimensions");
    for (const int64_t dim : dims) {
      TRELLIS_CHECK(dim >= 0 && dim <= INT32_MAX, "a dimension must fit 31 bits");
      dims_[static_cast<size_t>(rank_++)] = static_cast<int32_t>(dim);
    }
  }

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t numel() const {
    int64_t count = 1;
    for (int axis = 0; axis < rank_; ++axis) count *= (*this)[axis];
    return count;
  }
  bool operator==(const Shape&) const = default;
  /// "[2, 128]"
  std::string to_string() const {
    std::string text = "[";
    for (int axis = 0; axis < rank_; ++axis) {
      if (axis > 0) text += ", ";
      text += std::to_string((*this)[axis]);
    }
    return text + "]";
  }

 private:
  std::array<int32_t, kMaxRank> dims_ = {0, 0, 0, 0};
  int32_t rank_ = 0;
};

namespace detail {

/// The view behind Tensor (Pointer = void*) and ConstTensor (Pointer = const void*).
template <typename Pointer>
class BasicTensor {
 public:
  BasicTensor() = default;
  BasicTensor(Pointer data, DType dtype, Shape shape)
      : data_(data),
        dtype_(dtype),
        shape_(shape),
        row_stride_(shape.rank() > 0 ? shape[shape.rank() - 1] : 1) {}

  bool empty() const { return data_ == nullptr; }
  Pointer data() const { return data_; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t dim(int axis) const { return shape_[axis]; }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const { return static_cast<size_t>(numel()) * dtype_bytes(dtype_); }
  /// Elements from one row (the last dimension) to the next.
  int64_t row_stride() const { return row_stride_; }
  /// All dimensions but the last, multiplied.
  int64_t rows() const { return rank() == 0 ? 1 : numel() / (row_size() == 0 ? 1 : row_size()); }
  int64_t row_size() const { return rank() == 0 ? 1 : dim(rank() - 1); }

 protected:
  Pointer data_ = nullptr;
  DType dtype_ = DType::kFloat32;
  Shape shape_;
  int64_t row_stride_ = 1;
};

}  // namespace detail

template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kFloat32;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::kFloat16;  // bit patterns; bf16 is told apart by the tensor's dtype
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::kInt32;
}

/// A writable view.
class Tensor : public detail::BasicTensor<void*> {
 public:
  using BasicTensor::BasicTensor;

  /// The elements as T, whose size must be the dtype's.
  template <typename T>
  T* as() const {
    TRELLIS_CHECK_EQ(sizeof(T), dtype_bytes(dtype_), "element size");
    return static_cast<T*>(data_);
  }
  /// Row `index` of the flattened rows as T.
  template <typename T>
  T* row(int64_t index) const {
    return as<T>() + index * row_stride_;
  }
  /// The same elements with other sizes; the rows must be contiguous.
  Tensor reshape(Shape shape) const {
    TRELLIS_CHECK_EQ(shape.numel(), numel(), "reshape keeps the number of elements");
    TRELLIS_CHECK_EQ(row_stride_, row_size(), "reshape needs contiguous rows");
    return {data_, dtype_, shape};
  }
  /// Rows [begin, begin + count) of the first dimension.
  Tensor slice_rows(int64_t begin, int64_t count) const {
    TRELLIS_CHECK(rank() == 2 && begin >= 0 && begin + count <= dim(0), "slice inside the tensor");
    Tensor part(*this);
    part.data_ =
        static_cast<char*>(data_) + static_cast<size_t>(begin * row_stride_) * dtype_bytes(dtype_);
    part.shape_ = {count, dim(1)};
    return part;
  }
};

/// A read-only view.
class ConstTensor : public detail::BasicTensor<const void*> {
 public:
  using BasicTensor::BasicTensor;
  ConstTensor(const Tensor& tensor)
      : BasicTensor(tensor.data(), tensor.dtype(), tensor.shape()) {  // NOLINT
    row_stride_ = tensor.row_stride();
  }

  template <typename T>
  const T* as() const {
    TRELLIS_CHECK_EQ(sizeof(T), dtype_bytes(dtype_), "element size");
    return static_cast<const T*>(data_);
  }
  template <typename T>
  const T* row(int64_t index) const {
    return as<T>() + index * row_stride_;
  }
};

}  // namespace trellis
