// How much memory this process may still take, for sizing caches and refusing models that do not
// fit.
#pragma once

#include <cstddef>

namespace trellis {

/// Bytes that the system could still give: the kernel's estimate, or less where a control group's
/// limit is nearer. 0 when neither is known.
size_t available_host_memory();

/// Bytes of memory that the system has, or that its control group may take where that is less. 0
/// when unknown.
size_t total_host_memory();

}  // namespace trellis
