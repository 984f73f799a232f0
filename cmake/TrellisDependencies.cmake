# The libraries this project builds on, with the oldest version each is known to work with.
# They come from the system's packages (tools/setup.sh installs them); docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(fmt 9.1 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
find_package(tomlplusplus 3.3 REQUIRED)
if(TRELLIS_SELF_CONTAINED)
  set(OPENSSL_USE_STATIC_LIBS ON)
endif()
find_package(OpenSSL 3.0 REQUIRED)

# Of Boost the headers alone: Asio, compiled once in src/server/asio.cpp, and the parser of Beast.
find_package(Boost 1.81 REQUIRED)
add_library(trellis_boost INTERFACE)
add_library(trellis::boost ALIAS trellis_boost)
target_link_libraries(trellis_boost INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(
  trellis_boost INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
# GCC 12 inlines the allocation of coroutine frames on one side only, and then takes the two for unlike.
target_compile_options(trellis_boost INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-mismatched-new-delete>)

# trellis::fmt and trellis::spdlog: the shared libraries, or the headers alone where the program is to carry everything.
# spdlog's own header-only target would bring the shared fmt along.
add_library(trellis_fmt INTERFACE)
add_library(trellis::fmt ALIAS trellis_fmt)
add_library(trellis_spdlog INTERFACE)
add_library(trellis::spdlog ALIAS trellis_spdlog)
if(TRELLIS_SELF_CONTAINED)
  target_link_libraries(trellis_fmt INTERFACE fmt::fmt-header-only)
  target_compile_definitions(trellis_spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
  target_include_directories(
    trellis_spdlog INTERFACE $<TARGET_PROPERTY:spdlog::spdlog_header_only,INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(trellis_spdlog INTERFACE trellis::fmt Threads::Threads)
else()
  target_link_libraries(trellis_fmt INTERFACE fmt::fmt)
  target_link_libraries(trellis_spdlog INTERFACE spdlog::spdlog)
endif()

# xxHash brings no CMake package before 0.8.2. Of it the header alone, compiled in src/base/checksum.cpp.
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
file(STRINGS ${XXHASH_INCLUDE_DIR}/xxhash.h xxhash_version REGEX "define XXH_VERSION_(MAJOR|MINOR)")
string(REGEX MATCHALL "[0-9]+" xxhash_version "${xxhash_version}")
list(JOIN xxhash_version "." xxhash_version)
if(xxhash_version VERSION_LESS 0.8)
  message(FATAL_ERROR "xxhash.h ${xxhash_version} is too old; 0.8 is needed")
endif()

# libedit brings no CMake package. Its header has a version of its own: 2.11 is that of libedit 3.1.
find_path(LIBEDIT_INCLUDE_DIR histedit.h REQUIRED)
# Debian's -dev packages bring the archives of libedit and of what it needs.
if(TRELLIS_SELF_CONTAINED)
  find_library(LIBEDIT_LIBRARY libedit.a REQUIRED)
  foreach(part bsd md tinfo)
    find_library(LIBEDIT_${part}_LIBRARY lib${part}.a REQUIRED)
    list(APPEND libedit_parts ${LIBEDIT_${part}_LIBRARY})
  endforeach()
else()
  find_library(LIBEDIT_LIBRARY edit REQUIRED)
endif()
file(STRINGS ${LIBEDIT_INCLUDE_DIR}/histedit.h libedit_version REGEX "define[ \t]LIBEDIT_M")
string(REGEX MATCHALL "[0-9]+" libedit_version "${libedit_version}")
list(JOIN libedit_version "." libedit_version)
if(libedit_version VERSION_LESS 2.11)
  message(FATAL_ERROR "histedit.h ${libedit_version} is too old; 2.11 of libedit 3.1 is needed")
endif()
add_library(libedit::libedit UNKNOWN IMPORTED)
set_target_properties(
  libedit::libedit PROPERTIES IMPORTED_LOCATION ${LIBEDIT_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES
                                                                   ${LIBEDIT_INCLUDE_DIR})
target_link_libraries(libedit::libedit INTERFACE ${libedit_parts})

if(TRELLIS_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(TRELLIS_BUILD_BENCH)
  find_package(benchmark 1.7 REQUIRED)
endif()
