#include "backend/backends_under_test.h"

#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"

namespace trellis::test {

std::unique_ptr<Backend> BackendUnderTest::make(int num_threads) const {
  const BackendOptions options = {num_threads, activations};
  return is_reference() ? make_reference_backend(options) : make_cpu_backend(options, isa);
}

std::vector<BackendUnderTest> cpu_backends() {
  std::vector<BackendUnderTest> backends;
  for (const std::string& isa : cpu_isas()) backends.push_back({"cpu_" + isa, isa});
  return backends;
}

std::vector<BackendUnderTest> all_backends() {
  std::vector<BackendUnderTest> backends = cpu_backends();
  backends.push_back({"reference", ""});
  return backends;
}

std::string name_of(const BackendUnderTest& backend) {
  const bool exact = backend.activations == ActivationPrecision::kFloat32;
  return backend.name + (exact ? "_exact" : "");
}

}  // namespace trellis::test
