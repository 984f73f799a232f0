#define TRELLIS_ISA avx2
#include "backend/cpu/isa/vector_avx2.h"
// The vocabulary comes first.
#include "backend/cpu/isa/exl3_multiply.h"
#include "backend/cpu/isa/tables.h"

namespace trellis::cpu::avx2 {

void fill_exl3(KernelTable& table) {
  table.exl3_prepare = exl3_prepare;
  table.exl3_multiply = exl3_multiply<false>;
}

}  // namespace trellis::cpu::avx2
