// From a matrix's bits and codebook to template arguments: the one switch of every EXL3 launcher.
#pragma once

#include "backend/cuda/kernels/exl3_matrix.h"

namespace trellis::cuda {

namespace detail {

template <exl3::Codebook kCodebook, typename Function>
void for_bits(int bits, Function fn) {
  switch (bits) {
    case 1:
      return fn.template operator()<1, kCodebook>();
    case 2:
      return fn.template operator()<2, kCodebook>();
    case 3:
      return fn.template operator()<3, kCodebook>();
    case 4:
      return fn.template operator()<4, kCodebook>();
    case 5:
      return fn.template operator()<5, kCodebook>();
    case 6:
      return fn.template operator()<6, kCodebook>();
    case 7:
      return fn.template operator()<7, kCodebook>();
    default:
      return fn.template operator()<8, kCodebook>();
  }
}

}  // namespace detail

/// Calls fn.operator()<bits, codebook>(). matrix.layout.bits: 1 to 8.
template <typename Function>
void for_exl3_format(const Exl3Matrix& matrix, Function fn) {
  switch (matrix.codebook) {
    case exl3::Codebook::k3inst:
      return detail::for_bits<exl3::Codebook::k3inst>(matrix.layout.bits, fn);
    case exl3::Codebook::kMcg:
      return detail::for_bits<exl3::Codebook::kMcg>(matrix.layout.bits, fn);
    case exl3::Codebook::kMul1:
      return detail::for_bits<exl3::Codebook::kMul1>(matrix.layout.bits, fn);
  }
}

}  // namespace trellis::cuda
