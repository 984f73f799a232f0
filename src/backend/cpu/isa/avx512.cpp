#define TRELLIS_ISA avx512
#include "backend/cpu/isa/vector_avx512.h"
// The vocabulary comes first.
#include "backend/cpu/isa/attention.h"
#include "backend/cpu/isa/dense.h"
#include "backend/cpu/isa/rows.h"
#include "backend/cpu/isa/tables.h"

namespace trellis::cpu {
namespace avx512 {

void fill_table(KernelTable& table) {
  table.name = "avx512";
  table.rms_norm = rms_norm;
  table.add = add_row;
  table.silu_multiply = silu_multiply;
  table.widen_half = widen_half;
  table.widen_bfloat16 = widen_bfloat16;
  table.narrow_half = narrow_half;
  table.rotate = rotate;
  table.attention = attention;
  table.dense = dense;
  fill_exl3(table);
}

}  // namespace avx512
}  // namespace trellis::cpu
