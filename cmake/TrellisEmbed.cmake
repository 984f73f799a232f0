# How files become part of the program, without a tool beside CMake.

# trellis_embed_files(TARGET NAME FOLDER FILES ...): adds a source to the target that defines the table
# `trellis::NAME()` of these files of the folder, as base/embedded_file.h declares its rows.
function(trellis_embed_files target name folder)
  cmake_parse_arguments(arg "" "" "FILES" ${ARGN})
  cmake_path(ABSOLUTE_PATH folder)
  set(inputs ${arg_FILES})
  list(TRANSFORM inputs PREPEND ${folder}/)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  set(script ${PROJECT_SOURCE_DIR}/cmake/embed_files.cmake)
  list(JOIN arg_FILES "," files)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DFOLDER=${folder} -DFILES=${files} -DOUTPUT=${output} -P ${script}
    DEPENDS ${inputs} ${script}
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()
