# How every folder of this project becomes a target: one library, one test program, one benchmark.
include(GoogleTest)

add_library(trellis_options INTERFACE)
target_compile_features(trellis_options INTERFACE cxx_std_20)
target_include_directories(
  trellis_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
set(trellis_warnings -Wall -Wextra -Wno-missing-field-initializers)
target_compile_options(trellis_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${trellis_warnings};-ffp-contract=off>")
if(TRELLIS_WERROR)
  target_compile_options(trellis_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(TRELLIS_SELF_CONTAINED)
  # Relative relocations, packed, are a twentieth of the plain ones; glibc reads them from 2.36 on.
  target_link_options(
    trellis_options INTERFACE -static-libstdc++ -static-libgcc -s -Wl,--gc-sections -Wl,-z,pack-relative-relocs)
endif()
if(TRELLIS_SANITIZE)
  # What is tested is looked at for undefined behaviour, but the tests' own expectations are not: it would be a third of
  # the time that they take to compile.
  set(trellis_of_tests ${TRELLIS_SANITIZE})
  string(REGEX REPLACE "^(address|thread),undefined$" "\\1" trellis_of_tests "${trellis_of_tests}")
  string(REPLACE "," "$<COMMA>" trellis_of_tests "${trellis_of_tests}")
  string(REPLACE "," "$<COMMA>" trellis_of_all "${TRELLIS_SANITIZE}")
  set(trellis_is_test $<BOOL:$<TARGET_PROPERTY:TRELLIS_IS_TEST>>)
  target_compile_options(
    trellis_options
    INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=$<IF:${trellis_is_test},${trellis_of_tests},${trellis_of_all}>>
              $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>
              $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>)
  # What the sanitizers insert makes g++ see uses of what is not set, in its own headers too (GCC's manual warns of it).
  # The other builds keep the warning.
  target_compile_options(trellis_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  target_link_options(trellis_options INTERFACE -fsanitize=${TRELLIS_SANITIZE})
endif()

# For what waits for people, or checks results: optimising it as the rest takes a tenth of the whole build, and with
# sanitizers a third; and for size it is half as large.
set(trellis_quick_build "$<$<AND:$<CONFIG:Release>,$<COMPILE_LANGUAGE:CXX>>:-Os>"
                        "$<$<AND:$<CONFIG:Debug>,$<COMPILE_LANGUAGE:CXX>>:-O0>")

# trellis_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...]): library trellis_NAME, alias trellis::NAME.
function(trellis_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  if(arg_SOURCES)
    add_library(trellis_${name} STATIC ${arg_SOURCES})
    target_link_libraries(trellis_${name} PUBLIC trellis_options ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  else()
    add_library(trellis_${name} INTERFACE)
    target_link_libraries(trellis_${name} INTERFACE trellis_options ${arg_PUBLIC})
  endif()
  add_library(trellis::${name} ALIAS trellis_${name})
endfunction()

# trellis_test(NAME SOURCES ... DEPENDS ... [LABELS ...]): one GoogleTest program, its cases listed in ctest.
# TRELLIS_SOURCE_DIR reaches the tests as a definition, so that they find tests/ and models/ from any folder.
# A test labelled `model` exists only where TRELLIS_TEST_DATA is set, and finds that folder in its environment.
function(trellis_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LABELS" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  set(environment)
  if("model" IN_LIST arg_LABELS)
    if(NOT TRELLIS_TEST_DATA)
      return()
    endif()
    set(environment ENVIRONMENT "TRELLIS_TEST_DATA=${TRELLIS_TEST_DATA}")
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE TRELLIS_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${name} PRIVATE ${trellis_quick_build})
  # A test whose options differ from the headers' compiles them by itself.
  set_target_properties(${name} PROPERTIES TRELLIS_IS_TEST ON PCH_WARN_INVALID OFF)
  target_precompile_headers(${name} REUSE_FROM trellis_test_headers)
  gtest_discover_tests(
    ${name}
    DISCOVERY_TIMEOUT 120
    PROPERTIES TIMEOUT 600 ${environment})
  # gtest_discover_tests cannot pass a list on; ctest reads this file after the one with the tests.
  set(labels_file ${CMAKE_CURRENT_BINARY_DIR}/${name}_labels.cmake)
  file(WRITE ${labels_file} "set_tests_properties(\${${name}_TESTS} PROPERTIES LABELS \"${arg_LABELS}\")\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${labels_file})
endfunction()

# trellis_benchmark(NAME SOURCES ... DEPENDS ...): one Google Benchmark program under build/*/bench.
function(trellis_benchmark name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} benchmark::benchmark)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
endfunction()
