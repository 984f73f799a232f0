#define TRELLIS_ISA scalar
#include "backend/cpu/isa/vector_scalar.h"
// The vocabulary comes first.
#include "backend/cpu/isa/exl3_multiply.h"
#include "backend/cpu/isa/tables.h"

namespace trellis::cpu::scalar {

void fill_exl3(KernelTable& table) {
  table.exl3_prepare = exl3_prepare;
  table.exl3_multiply = exl3_multiply<false>;
}

}  // namespace trellis::cpu::scalar
