// Every backend that this machine can run, once per instruction set: what the tests of ops loop
// over.
#pragma once

#include "backend/backend.h"

#include <memory>
#include <string>
#include <vector>

namespace trellis::test {

struct BackendUnderTest {
  std::string name;  // "cpu_avx2"
  std::string isa;   // empty: the reference
  ActivationPrecision activations = ActivationPrecision::kAuto;

  /// With two threads, so that work is really shared.
  std::unique_ptr<Backend> make(int num_threads = 2) const;
  bool is_reference() const { return isa.empty(); }
};

/// The CPU backend with each instruction set, best first.
std::vector<BackendUnderTest> cpu_backends();
/// Those, and the reference.
std::vector<BackendUnderTest> all_backends();
/// "cpu_avx512" or, for exact activations, "cpu_avx512_exact": fit for names of tests.
std::string name_of(const BackendUnderTest& backend);

}  // namespace trellis::test
