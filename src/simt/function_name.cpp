// From the address of a function to its name: the program's own symbol table, which knows local
// functions too. Read when a kernel has failed.
#include "simt/runtime_state.h"

#include <cxxabi.h>
#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace simt {
namespace {

std::string demangle(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string result = text ? text : name;
  std::free(text);
  return result;
}

/// What the program was moved by when it was loaded.
uintptr_t load_offset() {
  uintptr_t offset = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* result) {
        *static_cast<uintptr_t*>(result) = info->dlpi_addr;
        return 1;  // the first is the program
      },
      &offset
  );
  return offset;
}

template <typename T>
T read_at(const std::string& file, std::size_t offset) {
  T value{};
  if (offset <= file.size() && sizeof(T) <= file.size() - offset) {
    std::memcpy(&value, file.data() + offset, sizeof(T));
  }
  return value;
}

}  // namespace

std::string function_name(const void* address) {
  std::stringstream stream;
  stream << std::ifstream("/proc/self/exe", std::ios::binary).rdbuf();
  const std::string file = std::move(stream).str();
  const auto header = read_at<ElfW(Ehdr)>(file, 0);
  const uintptr_t wanted = reinterpret_cast<uintptr_t>(address) - load_offset();
  for (std::size_t s = 0; s < header.e_shnum; ++s) {
    const auto section = read_at<ElfW(Shdr)>(file, header.e_shoff + s * header.e_shentsize);
    if (section.sh_type != SHT_SYMTAB) continue;
    const auto names =
        read_at<ElfW(Shdr)>(file, header.e_shoff + section.sh_link * header.e_shentsize);
    for (std::size_t at = 0; at < section.sh_size; at += sizeof(ElfW(Sym))) {
      const auto symbol = read_at<ElfW(Sym)>(file, section.sh_offset + at);
      const std::size_t name = names.sh_offset + symbol.st_name;
      if (symbol.st_value == wanted && (symbol.st_info & 0xF) == STT_FUNC && name < file.size()) {
        return demangle(file.c_str() + name);
      }
    }
  }
  return "without a symbol";
}

}  // namespace simt
