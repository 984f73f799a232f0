// The ops of one layer of Llama-3.2-1B at the sizes it really has: what the benchmarks add to the
// list of op_cases.h. The oracle leaves them out, since its reference would take minutes.
#pragma once

#include "backend/op_cases.h"

#include <vector>

namespace trellis::test {

/// In a fixed order; names of groups differ from those of op_groups().
std::vector<OpGroup> layer_groups();

}  // namespace trellis::test
