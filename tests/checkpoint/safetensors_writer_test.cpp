// The writer against a reader written here from the format's description, so that a mistake shared
// by writer and reader shows.
#include "checkpoint/safetensors_writer.h"

#include "base/error_matchers.h"
#include "base/json.h"
#include "base/temporary_directory.h"
#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace trellis {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

struct PlainFile {
  Json header;
  std::string data;
  size_t data_offset = 0;

  std::string tensor(const std::string& name) const {
    const auto offsets = header.at(name).at("data_offsets").get<std::vector<size_t>>();
    return data.substr(offsets[0], offsets[1] - offsets[0]);
  }
};

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

PlainFile read_plainly(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  size_t length = 0;
  for (size_t i = 0; i < 8; ++i) length |= size_t{static_cast<uint8_t>(bytes.at(i))} << (8 * i);
  return {Json::parse(bytes.substr(8, length)), bytes.substr(8 + length), 8 + length};
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& item : std::filesystem::directory_iterator(directory)) {
    names.push_back(item.path().filename().string());
  }
  return names;
}

ConstTensor bytes_tensor(const std::string& bytes) {
  return {bytes.data(), DType::kInt8, {static_cast<int64_t>(bytes.size())}};
}

TEST(SafetensorsWriter, WritesOneFileWithMetadata) {
  const TemporaryDirectory directory;
  const std::vector<uint16_t> halves = {1, 2, 3, 4, 5, 6};
  const int32_t scalar = -7;
  SafetensorsWriter writer(directory.path());
  writer.add("b", {halves.data(), DType::kFloat16, {2, 3}});
  writer.add("a", {&scalar, DType::kInt32, {}});

  const auto paths = writer.finish();

  ASSERT_THAT(names_in(directory.path()), ElementsAre("model.safetensors"));
  EXPECT_THAT(paths, ElementsAre(directory.path() / "model.safetensors"));
  const PlainFile file = read_plainly(paths[0]);
  EXPECT_EQ(file.header["__metadata__"], (Json{{"format", "pt"}}));
  EXPECT_EQ(file.header["a"]["dtype"], "I32");
  EXPECT_EQ(file.header["a"]["shape"], Json::array());
  EXPECT_EQ(file.header["b"]["dtype"], "F16");
  EXPECT_EQ(file.header["b"]["shape"], (Json{2, 3}));
  EXPECT_EQ(file.tensor("a"), std::string(reinterpret_cast<const char*>(&scalar), 4));
  EXPECT_EQ(file.tensor("b"), std::string(reinterpret_cast<const char*>(halves.data()), 12));
  EXPECT_EQ(file.data.size(), 16u);
}

TEST(SafetensorsWriter, AlignsTensorsToTheirElements) {
  const TemporaryDirectory directory;
  const std::vector<double> doubles = {1.0, 2.0};
  const uint16_t half = 1;
  SafetensorsWriter writer(directory.path());
  writer.add("bytes", bytes_tensor("abc"));
  writer.add("half", {&half, DType::kFloat16, {1}});
  writer.add("doubles", {doubles.data(), DType::kFloat64, {2}});

  const PlainFile file = read_plainly(writer.finish().front());

  EXPECT_EQ(file.data_offset % 64, 0u);
  EXPECT_EQ(file.header["doubles"]["data_offsets"][0].get<size_t>() % 8, 0u);
  EXPECT_EQ(file.header["half"]["data_offsets"][0].get<size_t>() % 2, 0u);
  EXPECT_EQ(file.tensor("bytes"), "abc");
}

TEST(SafetensorsWriter, SplitsIntoShardsWithAnIndex) {
  const TemporaryDirectory directory;
  SafetensorsWriter writer(directory.path(), 10);
  writer.add("a", bytes_tensor("aaaa"));
  writer.add("b", bytes_tensor("bbbbbb"));
  writer.add("c", bytes_tensor("c"));
  writer.add("large", bytes_tensor("0123456789ABCDEF"));
  writer.add("d", bytes_tensor("d"));

  const auto paths = writer.finish();

  const std::string shard1 = "model-00001-of-00004.safetensors";
  const std::string shard2 = "model-00002-of-00004.safetensors";
  const std::string shard3 = "model-00003-of-00004.safetensors";
  const std::string shard4 = "model-00004-of-00004.safetensors";
  const std::string index = "model.safetensors.index.json";
  EXPECT_THAT(
      names_in(directory.path()), UnorderedElementsAre(shard1, shard2, shard3, shard4, index)
  );
  EXPECT_EQ(paths.back().filename(), index);
  const Json document = Json::parse(read_file(paths.back()));
  EXPECT_EQ(document["metadata"]["total_size"], 28);
  EXPECT_EQ(
      document["weight_map"],
      (Json{{"a", shard1}, {"b", shard1}, {"c", shard2}, {"large", shard3}, {"d", shard4}})
  );
  EXPECT_EQ(read_plainly(directory.path() / shard1).tensor("b"), "bbbbbb");
  EXPECT_EQ(read_plainly(directory.path() / shard3).tensor("large"), "0123456789ABCDEF");
}

TEST(SafetensorsWriter, WritesWhatCheckpointReads) {
  const TemporaryDirectory directory;
  SafetensorsWriter writer(directory.path(), 4);
  writer.add("a", bytes_tensor("1234"));
  writer.add("empty", {nullptr, DType::kFloat32, {0, 3}});
  writer.add("b", bytes_tensor("5678"));
  writer.finish();

  const Checkpoint checkpoint(directory.path());

  EXPECT_THAT(checkpoint.names(), ElementsAre("a", "b", "empty"));
  EXPECT_EQ(std::memcmp(checkpoint.tensor("b").data(), "5678", 4), 0);
  EXPECT_EQ(checkpoint.tensor("empty").shape(), (Shape{0, 3}));
}

TEST(SafetensorsWriter, WritesAModelWithoutTensors) {
  const TemporaryDirectory directory;

  const auto paths = SafetensorsWriter(directory.path()).finish();

  EXPECT_TRUE(SafetensorsFile(paths.at(0)).names().empty());
}

TEST(SafetensorsWriter, LeavesNothingBehindWhenAbandoned) {
  const TemporaryDirectory directory;
  {
    SafetensorsWriter writer(directory.path(), 2);
    writer.add("a", bytes_tensor("12"));
    writer.add("b", bytes_tensor("34"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(SafetensorsWriter, RefusesANameUsedBefore) {
  const TemporaryDirectory directory;
  SafetensorsWriter writer(directory.path());
  writer.add("a", bytes_tensor("1"));

  EXPECT_USER_ERROR(writer.add("a", bytes_tensor("2")), HasSubstr("called \"a\""));
}

TEST(SafetensorsWriter, RefusesADirectoryThatHoldsWeights) {
  const TemporaryDirectory directory;
  directory.write("old.safetensors", "x");

  EXPECT_USER_ERROR(SafetensorsWriter(directory.path()), HasSubstr("old.safetensors: exists"));
  EXPECT_USER_ERROR(SafetensorsWriter(directory.path() / "none"), HasSubstr("no such directory"));
}

TEST(WriteSafetensors, ReplacesAFileWhole) {
  const TemporaryDirectory directory;
  const auto path = directory.write("state.safetensors", "old");

  write_safetensors(path, {{"a", bytes_tensor("new")}}, {});

  const PlainFile file = read_plainly(path);
  EXPECT_EQ(file.tensor("a"), "new");
  EXPECT_FALSE(file.header.contains("__metadata__"));
  EXPECT_THAT(names_in(directory.path()), ElementsAre("state.safetensors"));
}

TEST(WriteSafetensors, KeepsTheOldFileWhenItFails) {
  const TemporaryDirectory directory;
  const auto path = directory.write("state.safetensors", "old");

  EXPECT_USER_ERROR(
      write_safetensors(path, {{"a", bytes_tensor("1")}, {"a", bytes_tensor("2")}}),
      HasSubstr("called \"a\"")
  );
  EXPECT_EQ(read_file(path), "old");
  EXPECT_USER_ERROR(
      write_safetensors(directory.path() / "none" / "x", {}), HasSubstr("cannot be created")
  );
}

}  // namespace
}  // namespace trellis
