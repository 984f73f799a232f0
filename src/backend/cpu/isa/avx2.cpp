#define TRELLIS_ISA avx2
#include "backend/cpu/isa/vector_avx2.h"
// The vocabulary comes first.
#include "backend/cpu/isa/attention.h"
#include "backend/cpu/isa/dense.h"
#include "backend/cpu/isa/rows.h"
#include "backend/cpu/isa/tables.h"

namespace trellis::cpu {
namespace avx2 {

void fill_table(KernelTable& table) {
  table.name = "avx2";
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

}  // namespace avx2
}  // namespace trellis::cpu
