// Compares the format's math and the encoder with vectors of the reference implementation.
// TRELLIS_GOLDEN_DIR names another folder of such files when the program runs.
#include "exl3/golden_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

namespace trellis::golden {
namespace {

std::filesystem::path golden_directory() {
  const char* chosen = std::getenv("TRELLIS_GOLDEN_DIR");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  return std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "golden" / "exl3";
}

std::vector<std::filesystem::path> golden_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

TEST(Golden, EveryFileOfTheFolderHolds) {
  const std::filesystem::path directory = golden_directory();
  ASSERT_TRUE(std::filesystem::is_directory(directory)) << directory << " is not a folder";
  const std::vector<std::filesystem::path> files = golden_files(directory);
  ASSERT_FALSE(files.empty()) << directory << " holds no *.safetensors file";

  for (const std::filesystem::path& path : files) {
    SCOPED_TRACE(path.string());
    EXPECT_NO_THROW(check_file(path));
  }
}

class GoldenFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(::testing::TempDir()) /
                 ("golden_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) +
                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path write(const std::string& name, const std::string& bytes) {
    std::ofstream(directory_ / name, std::ios::binary) << bytes;
    return directory_ / name;
  }

  std::filesystem::path directory_;
};

TEST_F(GoldenFolder, AFileOfNoKnownKindIsRefused) {
  const std::string header = R"({"weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  const std::filesystem::path path = write("linear_mul1_k4.safetensors", bytes + header + "abcd");

  EXPECT_THROW(check_file(path), UserError);
}

TEST_F(GoldenFolder, ATruncatedFileIsRefused) {
  const std::filesystem::path path = write("kv_b4.safetensors", "\x10");

  EXPECT_THROW(check_file(path), UserError);
}

TEST_F(GoldenFolder, AnEmptyFolderHasNoFiles) {
  EXPECT_TRUE(golden_files(directory_).empty());
}

}  // namespace

void check_file(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  const bool is_linear = file.has("trellis");
  const bool is_encoding = file.has("tiles");
  const bool is_kv = file.has("words");
  const bool is_codebooks = file.has("3inst");
  if (is_linear + is_encoding + is_kv + is_codebooks != 1) {
    throw UserError(
        "{}: of no known kind, it must hold exactly one of the tensors trellis, tiles, words, "
        "3inst",
        path.string()
    );
  }
  if (is_linear) check_linear(file);
  if (is_encoding) check_encoding(file);
  if (is_kv) check_kv(file);
  if (is_codebooks) check_codebooks(file);
}

}  // namespace trellis::golden
