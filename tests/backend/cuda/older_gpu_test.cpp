// What a GPU before sm_90 does differently, on the emulation of one with 99 KB of shared memory:
// products of many rows go through mma.sync, no CTAs share a row, and products of few rows bring
// their inputs in windows.
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

  void check(const WeightFormat& format, const LinearShape& shape) {
    const BackendUnderTest under_test = fast_backends().front();
    const std::unique_ptr<Backend> backend = under_test.make();
    ASSERT_THAT(backend->isa(), testing::StartsWith("sm_86"));
    const OpCase op_case = linear_case(format, shape, 1);
    SCOPED_TRACE(op_case.name);
    const OpComparison comparison =
        compare_op(op_case, *backend, under_test.activations, *reference_);
    ASSERT_LE(comparison.error, comparison.limit) << "row " << comparison.row;
  }

 private:
  simt::Device before_ = simt::device();
  std::unique_ptr<Backend> reference_ = make_reference_backend({});
};

TEST_F(OlderGpu, AgreesWithTheReferenceInManyRowsOfLinearLayers) {
  for (const WeightFormat& format : exl3_formats()) {
    check(format, {300, 200, 17, true});
    check(format, {300, 200, 65, true});
  }
  check(WeightFormat::exl3(4, exl3::Codebook::kMul1), {384, 256, 260});
  check(WeightFormat::exl3(3, exl3::Codebook::kMcg), {8448, 128, 129});  // in two segments
}

TEST_F(OlderGpu, AgreesWithTheReferenceWhereInputsComeInWindows) {
  for (const auto& [format, inputs] :
       {std::pair(WeightFormat::exl3(4, exl3::Codebook::kMul1), int64_t{4480}),
        std::pair(WeightFormat::exl3(3, exl3::Codebook::kMcg), int64_t{8448})}) {
    for (const int64_t rows : {1, 4, 8}) check(format, {inputs, 256, rows, true});
  }
}

}  // namespace
}  // namespace trellis::test
