#include "backend/op_cases.h"

#include <iterator>

namespace trellis::test {

std::vector<OpGroup> op_groups() {
  std::vector<OpGroup> groups;
  for (const auto& part : {linear_groups, attention_groups, row_groups, block_groups}) {
    std::vector<OpGroup> more = part();
    std::move(more.begin(), more.end(), std::back_inserter(groups));
  }
  return groups;
}

}  // namespace trellis::test
