// What a GPU before sm_90 does differently, on the emulation of one: products of many rows come
// from decoded slices.
#include "backend/backends_under_test.h"
#include "backend/linear_cases.h"
#include "backend/op_comparison.h"
#include "backend/reference/reference_backend.h"
#include "simt/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis::test {
namespace {

class OlderGpu : public testing::Test {
 protected:
  OlderGpu() {
    simt::Device older = before_;
    older.compute_major = 8;
    older.compute_minor = 6;
    older.shared_bytes_per_multiprocessor = 100 << 10;
    older.shared_bytes_per_block = 99 << 10;
    simt::set_device(older);
  }
  ~OlderGpu() override { simt::set_device(before_); }

 private:
  simt::Device before_ = simt::device();
};

TEST_F(OlderGpu, AgreesWithTheReferenceInManyRowsOfLinearLayers) {
  const BackendUnderTest under_test = fast_backends().front();
  const std::unique_ptr<Backend> backend = under_test.make();
  const std::unique_ptr<Backend> reference = make_reference_backend({});
  ASSERT_THAT(backend->isa(), testing::StartsWith("sm_86"));

  const auto check = [&](const WeightFormat& format, const LinearShape& shape) {
    const OpCase op_case = linear_case(format, shape, 1);
    SCOPED_TRACE(op_case.name);
    const OpComparison comparison =
        compare_op(op_case, *backend, under_test.activations, *reference);
    ASSERT_LE(comparison.error, comparison.limit) << "row " << comparison.row;
  };
  for (const WeightFormat& format : exl3_formats()) check(format, {300, 200, 65, true});
  check(WeightFormat::exl3(4, exl3::Codebook::kMul1), {384, 256, 260});
}

}  // namespace
}  // namespace trellis::test
