#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace trellis {
namespace {

TEST(Shape, KnowsItsSizes) {
  const Shape shape = {2, 3, 4};

  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape[2], 4);
  EXPECT_EQ(shape.numel(), 24);
  EXPECT_EQ(shape.to_string(), "[2, 3, 4]");
  EXPECT_NE(shape, (Shape{2, 3}));
}

TEST(Shape, WithoutDimensionsIsOneElement) {
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ(Shape{}.to_string(), "[]");
  EXPECT_EQ((Shape{0, 5}).numel(), 0);
}

TEST(Shape, RefusesTooManyDimensionsAndSizesOutOfRange) {
  EXPECT_THROW((Shape{1, 1, 1, 1, 1}), InternalError);
  EXPECT_THROW((Shape{-1}), InternalError);
  EXPECT_THROW((Shape{int64_t{1} << 31}), InternalError);
}

class TensorOf12 : public ::testing::Test {
 protected:
  TensorOf12() { std::iota(numbers_.begin(), numbers_.end(), 0.0f); }

  std::vector<float> numbers_ = std::vector<float>(12);
  Tensor tensor_{numbers_.data(), DType::kFloat32, {4, 3}};
};

TEST_F(TensorOf12, AddressesRows) {
  EXPECT_EQ(tensor_.bytes(), 48u);
  EXPECT_EQ(tensor_.rows(), 4);
  EXPECT_EQ(tensor_.row_size(), 3);
  EXPECT_EQ(tensor_.row<float>(2)[1], 7.0f);
  EXPECT_EQ(ConstTensor(tensor_).row<float>(3)[0], 9.0f);
}

TEST_F(TensorOf12, RefusesElementsOfAnotherSize) {
  EXPECT_THROW(tensor_.as<uint16_t>(), InternalError);
  EXPECT_THROW(ConstTensor(tensor_).as<double>(), InternalError);
}

TEST_F(TensorOf12, SlicesRows) {
  const Tensor middle = tensor_.slice_rows(1, 2);

  EXPECT_EQ(middle.shape(), (Shape{2, 3}));
  EXPECT_EQ(middle.row<float>(0)[0], 3.0f);
  EXPECT_EQ(tensor_.slice_rows(4, 0).numel(), 0);
  EXPECT_THROW(tensor_.slice_rows(3, 2), InternalError);
  EXPECT_THROW(tensor_.slice_rows(-1, 1), InternalError);
}

TEST_F(TensorOf12, KeepsItsElementsWhenReshaped) {
  const Tensor other = tensor_.reshape({2, 2, 3});

  EXPECT_EQ(other.rows(), 4);
  EXPECT_EQ(other.row<float>(3)[2], 11.0f);
  EXPECT_THROW(tensor_.reshape({5}), InternalError);
}

TEST(Tensor, IsEmptyByDefault) {
  EXPECT_TRUE(Tensor().empty());
  EXPECT_TRUE(ConstTensor().empty());
}

}  // namespace
}  // namespace trellis
