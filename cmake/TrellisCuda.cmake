# The CUDA compiler, the architectures it compiles for, and how kernels become a library and tests of the compiled code.
# Without TRELLIS_CUDA and TRELLIS_CUDA_GATE nothing here looks for a compiler.

# "90a" is machine code for sm_90a, "120-virtual" PTX of compute_120, which the driver compiles for what comes after it.
set(TRELLIS_CUDA_ARCHS
    ""
    CACHE STRING "Architectures to compile for; empty: the environment's TRELLIS_CUDA_ARCHS, or all")
set(trellis_cuda_archs "${TRELLIS_CUDA_ARCHS}")
if(NOT trellis_cuda_archs)
  set(trellis_cuda_archs "$ENV{TRELLIS_CUDA_ARCHS}")
endif()
if(NOT trellis_cuda_archs)
  set(trellis_cuda_archs 80 86 89 90a 120a 120-virtual)
endif()
string(REGEX REPLACE "[ ,;]+" ";" trellis_cuda_archs "${trellis_cuda_archs}")

if(TRELLIS_CUDA OR TRELLIS_CUDA_GATE)
  if(NOT CMAKE_CUDA_COMPILER)
    execute_process(
      COMMAND ${PROJECT_SOURCE_DIR}/tools/setup_cuda.sh --find
      OUTPUT_VARIABLE nvcc
      OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT nvcc)
      message(FATAL_ERROR "There is no CUDA compiler of 12.8 or newer. Run tools/setup_cuda.sh, or set CUDACXX.")
    endif()
    set(CMAKE_CUDA_COMPILER ${nvcc} CACHE FILEPATH "The CUDA compiler")
  endif()
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER} CACHE FILEPATH "The compiler of what nvcc leaves to the host")
endif()

if(TRELLIS_CUDA)
  # trellis_cuda_library asks for architectures, language standard and runtime: CMake 3.25 knows neither the newest
  # architectures nor C++20 of nvcc, and its module for the toolkit fails on that of CUDA 13.
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  set(CMAKE_CUDA_RUNTIME_LIBRARY None)
  enable_language(CUDA)

  find_library(
    TRELLIS_CUDART_LIBRARY libcudart_static.a
    HINTS ${CMAKE_CUDA_HOST_IMPLICIT_LINK_DIRECTORIES}
    REQUIRED NO_DEFAULT_PATH)
  add_library(trellis_cudart INTERFACE)
  target_include_directories(trellis_cudart SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  target_link_libraries(trellis_cudart INTERFACE ${TRELLIS_CUDART_LIBRARY} Threads::Threads ${CMAKE_DL_LIBS} rt)

  set(trellis_cuda_codes)
  foreach(arch ${trellis_cuda_archs})
    if(arch MATCHES "^([0-9]+[af]?)$")
      list(APPEND trellis_cuda_codes --generate-code=arch=compute_${arch},code=sm_${arch})
    elseif(arch MATCHES "^([0-9]+)-virtual$")
      list(APPEND trellis_cuda_codes --generate-code=arch=compute_${CMAKE_MATCH_1},code=compute_${CMAKE_MATCH_1})
    else()
      message(FATAL_ERROR "TRELLIS_CUDA_ARCHS holds \"${arch}\"; architectures look like 86, 90a or 120-virtual")
    endif()
  endforeach()
  message(STATUS "CUDA code for ${trellis_cuda_archs}")
endif()

# trellis_cuda_library(NAME SOURCES ... [PUBLIC ...] [PRIVATE ...]): a trellis_library of .cu files, and of .cpp files
# that call the CUDA runtime. The runtime is linked statically and finds the driver when it is first called.
function(trellis_cuda_library name)
  trellis_library(${name} ${ARGN})
  set(target trellis_${name})
  # fmt takes nvcc for a compiler without constexpr, which its own consteval functions need.
  target_compile_definitions(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:FMT_USE_CONSTEXPR=1>)
  list(JOIN trellis_warnings "," warnings)
  target_compile_options(
    ${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${trellis_cuda_codes};-std=c++20;--expt-relaxed-constexpr;-diag-suppress=20208;--compress-mode=size>"
                      "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${warnings},-ffp-contract=off>")
  if(TRELLIS_WERROR)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>")
  endif()
  target_link_libraries(${target} PRIVATE trellis_cudart)
endfunction()
