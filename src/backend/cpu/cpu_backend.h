// The backend for x86-64 CPUs: kernels per instruction set, chosen when it is made, and its own
// threads.
#pragma once

#include "backend/backend.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// The instruction sets that this machine can run, best first: of "avx512", "avx2", "scalar".
std::vector<std::string> cpu_isas();

/// The instruction set that the CPU backend uses. isa: one of cpu_isas(), or empty for the
/// environment's TRELLIS_CPU_ISA, or else the best. Throws UserError for one that this machine
/// cannot run.
std::string chosen_cpu_isa(std::string_view isa = "");

/// isa: as of chosen_cpu_isa().
std::unique_ptr<Backend> make_cpu_backend(const BackendOptions& options, std::string_view isa = "");

}  // namespace trellis
