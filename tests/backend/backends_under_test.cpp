#include "backend/backends_under_test.h"

#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"

namespace trellis::test {
namespace {

std::unique_ptr<Backend> make_cpu(const BackendOptions& options, const std::string& isa) {
  return make_cpu_backend(options, isa);
}

std::unique_ptr<Backend> make_reference(const BackendOptions& options, const std::string&) {
  return make_reference_backend(options);
}

}  // namespace

std::vector<BackendUnderTest> fast_backends() {
  std::vector<BackendUnderTest> backends;
  for (const std::string& isa : cpu_isas()) backends.push_back({"cpu_" + isa, isa, make_cpu});
  return backends;
}

std::vector<BackendUnderTest> all_backends() {
  std::vector<BackendUnderTest> backends = fast_backends();
  backends.push_back({"reference", "", make_reference});
  return backends;
}

std::vector<BackendUnderTest> row_exact_backends() {
  return all_backends();
}

}  // namespace trellis::test
