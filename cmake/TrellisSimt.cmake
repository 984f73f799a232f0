# How CUDA sources become a library that runs on the host (src/simt).

# trellis_simt_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...]): a trellis_library of .cu files, and of .cpp files
# that call the CUDA runtime, compiled against the emulation. A .cu file is preprocessed first, and its declarations of
# shared variables, which C++ has no words for, are rewritten (src/simt/include/simt/shared_variable.h).
function(trellis_simt_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target trellis_${name})
  set(rewrite ${PROJECT_SOURCE_DIR}/cmake/shared_variables.sed)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
  separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}}")
  if(TRELLIS_SANITIZE)
    list(APPEND flags -fsanitize=${TRELLIS_SANITIZE})
  endif()
  set(includes $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
  set(definitions $<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>)
  set(sources)
  foreach(source ${arg_SOURCES})
    if(NOT source MATCHES "\\.cu$")
      list(APPEND sources ${source})
      continue()
    endif()
    cmake_path(ABSOLUTE_PATH source OUTPUT_VARIABLE input)
    string(REPLACE "/" "_" stem ${source})
    set(output ${CMAKE_CURRENT_BINARY_DIR}/${target}_${stem}.cpp)
    add_custom_command(
      OUTPUT ${output}
      COMMAND ${CMAKE_CXX_COMPILER} ${flags} -std=c++20 -E -x c++ "$<$<BOOL:${includes}>:-I$<JOIN:${includes},;-I>>"
              "$<$<BOOL:${definitions}>:-D$<JOIN:${definitions},;-D>>" -MD -MF ${output}.d -MT ${output} ${input} -o
              ${output}.ii
      COMMAND sed -z -E -f ${rewrite} ${output}.ii > ${output}
      DEPENDS ${input} ${rewrite}
      DEPFILE ${output}.d
      COMMENT "Rewriting ${source} for the host"
      COMMAND_EXPAND_LISTS VERBATIM)
    list(APPEND sources ${output})
  endforeach()
  trellis_library(${name} SOURCES ${sources} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} trellis::simt)
  target_compile_definitions(${target} PRIVATE TRELLIS_SIMT=1)
  target_compile_options(${target} PRIVATE -O2 -Wno-unknown-pragmas)
endfunction()
