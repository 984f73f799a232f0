// The one list of ops and shapes: the oracle tests run it on every backend against the reference,
// the benchmarks time it. A new op gets its entries here and nowhere else.
#pragma once

#include "backend/op_case.h"

#include <string>
#include <vector>

namespace trellis::test {

/// Cases of one kind, e.g. "Exl3Mul1" or "AttentionWindows".
struct OpGroup {
  std::string name;
  bool may_round = false;  // depends on ActivationPrecision
  std::vector<OpCase> cases;
};

/// In a fixed order.
std::vector<OpGroup> op_groups();

// The parts that op_groups() puts together.
std::vector<OpGroup> linear_groups();
std::vector<OpGroup> attention_groups();
std::vector<OpGroup> row_groups();
std::vector<OpGroup> block_groups();

}  // namespace trellis::test
