# The libraries this project builds on, with the oldest version each is known to work with.
# They come from the system's packages (tools/setup.sh installs them); docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(fmt 9.1 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)

# libedit brings no CMake package. Its header has a version of its own: 2.11 is that of libedit 3.1.
find_path(LIBEDIT_INCLUDE_DIR histedit.h REQUIRED)
find_library(LIBEDIT_LIBRARY edit REQUIRED)
file(STRINGS ${LIBEDIT_INCLUDE_DIR}/histedit.h libedit_version REGEX "define[ \t]LIBEDIT_M")
string(REGEX MATCHALL "[0-9]+" libedit_version "${libedit_version}")
list(JOIN libedit_version "." libedit_version)
if(libedit_version VERSION_LESS 2.11)
  message(FATAL_ERROR "histedit.h ${libedit_version} is too old; 2.11 of libedit 3.1 is needed")
endif()
add_library(libedit::libedit UNKNOWN IMPORTED)
set_target_properties(
  libedit::libedit PROPERTIES IMPORTED_LOCATION ${LIBEDIT_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${LIBEDIT_INCLUDE_DIR})

if(TRELLIS_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(TRELLIS_BUILD_BENCH)
  find_package(benchmark 1.7 REQUIRED)
endif()
