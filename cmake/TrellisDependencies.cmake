# The libraries this project builds on, with the oldest version each is known to work with.
# They come from the system's packages (tools/setup.sh installs them); docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(fmt 9.1 REQUIRED)
find_package(spdlog 1.10 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 2.1 REQUIRED)
if(TRELLIS_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED)
endif()
if(TRELLIS_BUILD_BENCH)
  find_package(benchmark 1.7 REQUIRED)
endif()
