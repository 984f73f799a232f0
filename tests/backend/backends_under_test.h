// The backends that the tests of ops loop over: those of the program that is linked, once per
// instruction set. backends_under_test.cpp lists the CPU's, cuda/cuda_backends_under_test.cpp the
// GPU's.
#pragma once

#include "backend/backend.h"

#include <memory>
#include <string>
#include <vector>

namespace trellis::test {

struct BackendUnderTest {
  std::string name;  // "cpu_avx2"
  std::string isa;   // "avx2"
  std::unique_ptr<Backend> (*make_backend)(const BackendOptions& options, const std::string& isa);
  ActivationPrecision activations = ActivationPrecision::kAuto;

  /// With two threads, so that work is really shared.
  std::unique_ptr<Backend> make(int num_threads = 2) const {
    return make_backend({num_threads, activations}, isa);
  }
  bool is_reference() const { return name == "reference"; }
};

/// Those that compute fast, best first.
std::vector<BackendUnderTest> fast_backends();
/// Those, and the reference where it is to be tested with them.
std::vector<BackendUnderTest> all_backends();
/// Those whose rows keep their bits whatever rows they share a call with, although they round
/// activations. With exact ones every backend does that.
std::vector<BackendUnderTest> row_exact_backends();
/// "cpu_avx512" or, for exact activations, "cpu_avx512_exact": fit for names of tests.
inline std::string name_of(const BackendUnderTest& backend) {
  const bool exact = backend.activations == ActivationPrecision::kFloat32;
  return backend.name + (exact ? "_exact" : "");
}

}  // namespace trellis::test
