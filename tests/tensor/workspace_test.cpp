#include "tensor/workspace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace trellis {
namespace {

TEST(Workspace, AlignsEveryTensor) {
  Workspace workspace(allocate_host);
  const auto scope = workspace.scope();

  for (const int64_t size : {1, 3, 64, 65, 0, 7}) {
    const Tensor tensor = workspace.tensor({size}, DType::kUint8);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data()) % 64, 0u);
  }
}

TEST(Workspace, GivesTheSameAddressesToTheSameStep) {
  Workspace workspace(allocate_host);
  const auto step = [&] {
    std::vector<void*> addresses;
    const auto outer = workspace.scope();
    addresses.push_back(workspace.tensor({300, 1000}, DType::kFloat32).data());
    for (int layer = 0; layer < 2; ++layer) {
      const auto inner = workspace.scope();
      addresses.push_back(workspace.tensor({200, 1000}, DType::kFloat32).data());
      addresses.push_back(workspace.tensor({700, 1000}, DType::kFloat32).data());
    }
    addresses.push_back(workspace.tensor({10}, DType::kFloat32).data());
    return addresses;
  };

  const auto first = step();
  const size_t capacity = workspace.capacity();
  const auto second = step();

  EXPECT_EQ(first, second);
  EXPECT_EQ(first[1], first[3]) << "both layers use the same temporaries";
  EXPECT_EQ(workspace.capacity(), capacity);
}

TEST(Workspace, AsksForFewBlocks) {
  int num_blocks = 0;
  Workspace workspace([&](size_t bytes) {
    ++num_blocks;
    return allocate_host(bytes);
  });
  const auto scope = workspace.scope();

  for (int i = 0; i < 1000; ++i) workspace.tensor({100000}, DType::kUint8);

  EXPECT_LE(num_blocks, 8) << "each block doubles the arena";
}

TEST(Workspace, KeepsLiveTensorsApartInAnyNesting) {
  constexpr unsigned kSeed = 7;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  Workspace workspace(allocate_host);

  struct Range {
    const char* begin;
    const char* end;
  };
  std::vector<Range> live;
  int overlaps = 0;
  // Recursion nests the scopes; every tensor is compared with all that live at the same time.
  const auto nest = [&](const auto& self, int depth) -> void {
    const auto scope = workspace.scope();
    const size_t before = live.size();
    for (int i = 0; i < 6; ++i) {
      const auto bytes = static_cast<int64_t>(random() % 900000);
      const Tensor tensor = workspace.tensor({bytes}, DType::kUint8);
      const auto* begin = static_cast<const char*>(tensor.data());
      const Range range = {begin, begin + bytes};
      overlaps += static_cast<int>(std::count_if(live.begin(), live.end(), [&](const Range& other) {
        return range.begin < other.end && other.begin < range.end;
      }));
      live.push_back(range);
      if (depth < 3 && random() % 2 == 0) self(self, depth + 1);
    }
    live.resize(before);
  };
  for (int step = 0; step < 5; ++step) nest(nest, 0);

  EXPECT_EQ(overlaps, 0);
}

}  // namespace
}  // namespace trellis
