// Any bytes as a safetensors file: either a UserError, or a header whose tensors tile the data
// exactly.
#include "base/error.h"
#include "checkpoint/safetensors.h"
#include "require.h"

#include <cstddef>
#include <cstdint>

using trellis::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  trellis::SafetensorsHeader header;
  try {
    header = trellis::parse_safetensors_header({data, size}, "fuzz");
  } catch (const trellis::UserError&) {
    return 0;
  }
  require(header.data_offset <= size, "the data starts inside the file");
  const uint64_t data_bytes = size - header.data_offset;
  uint64_t total = 0;
  for (const auto& [name, entry] : header.tensors) {
    require(entry.begin <= entry.end && entry.end <= data_bytes, "a tensor lies in the data");
    const trellis::ConstTensor tensor(
        data + header.data_offset + entry.begin, entry.dtype, entry.shape
    );
    require(tensor.bytes() == entry.end - entry.begin, "a tensor has the bytes of its shape");
    total += tensor.bytes();
  }
  // Together with the bounds above: as many bytes as there are means that none is counted twice.
  require(total == data_bytes, "the tensors' bytes are all the data");
  return 0;
}
