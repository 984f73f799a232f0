#include "base/host_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace trellis {
namespace {

TEST(HostMemory, IsSomeOfWhatTheMachineHas) {
  const auto pages = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));

  const size_t available = available_host_memory();

  EXPECT_GT(available, 0u);
  EXPECT_LE(available, pages * page_bytes);
  EXPECT_GE(total_host_memory(), available);
  EXPECT_LE(total_host_memory(), pages * page_bytes);
}

}  // namespace
}  // namespace trellis
