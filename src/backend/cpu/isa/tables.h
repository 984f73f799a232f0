// What fills each instruction set's table: fill_exl3 its EXL3 entries (<isa>_exl3.cpp), fill_table
// all (<isa>.cpp).
#pragma once

#include "backend/cpu/kernels.h"

namespace trellis::cpu {
namespace scalar {
void fill_table(KernelTable& table);
void fill_exl3(KernelTable& table);
}  // namespace scalar
namespace avx2 {
void fill_table(KernelTable& table);
void fill_exl3(KernelTable& table);
}  // namespace avx2
namespace avx512 {
void fill_table(KernelTable& table);
void fill_exl3(KernelTable& table);
/// For CPUs that add beside their products: exl3_multiply takes pairs of inputs, with the same
/// bits.
void fill_exl3_of_pairs(KernelTable& table);
}  // namespace avx512
}  // namespace trellis::cpu
