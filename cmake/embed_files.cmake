# Run by trellis_embed_files. NAME: of the function. FILES: names below FOLDER, with commas between. OUTPUT: a source.
string(REPLACE "," ";" FILES "${FILES}")
set(arrays "")
set(rows "")
set(index 0)
foreach(file ${FILES})
  file(READ ${FOLDER}/${file} bytes HEX)
  file(SHA256 ${FOLDER}/${file} hash)
  string(REGEX REPLACE "(................................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "constexpr unsigned char kFile${index}[] = {\n${bytes}0};\n")
  string(APPEND rows "      {\"${file}\", \"${hash}\", text(kFile${index})},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(
  WRITE ${OUTPUT}
  "// Made by cmake/embed_files.cmake.
#include \"base/embedded_file.h\"

namespace trellis {
namespace {

${arrays}
/// Without the zero at the end, which lets an empty file be an array, too.
template <size_t kSize>
std::string_view text(const unsigned char (&bytes)[kSize]) {
  return {reinterpret_cast<const char*>(bytes), kSize - 1};
}

}  // namespace

std::span<const EmbeddedFile> ${NAME}() {
  static const EmbeddedFile kFiles[] = {
${rows}  };
  return kFiles;
}

}  // namespace trellis
")
