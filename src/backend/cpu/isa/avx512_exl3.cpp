#define TRELLIS_ISA avx512
#include "backend/cpu/isa/vector_avx512.h"
// The vocabulary comes first.
#include "backend/cpu/isa/exl3_multiply.h"
#include "backend/cpu/isa/tables.h"

namespace trellis::cpu::avx512 {

void fill_exl3(KernelTable& table) {
  table.exl3_prepare = exl3_prepare;
  table.exl3_multiply = exl3_multiply<false>;
}

void fill_exl3_of_pairs(KernelTable& table) {
  table.exl3_multiply = exl3_multiply<true>;
}

}  // namespace trellis::cpu::avx512
