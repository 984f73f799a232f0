#include "checkpoint/checkpoint.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"
#include "checkpoint/raw_safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kIndex = "model.safetensors.index.json";

/// A file of one-byte tensors, each holding the given character.
std::string file_of(const std::vector<std::pair<std::string, char>>& tensors) {
  std::vector<RawTensor> raw;
  for (const auto& [name, value] : tensors) {
    raw.push_back({name, DType::kInt8, {1}, std::string(1, value)});
  }
  return make_safetensors(raw);
}

char value_of(const Checkpoint& checkpoint, const std::string& name) {
  return *static_cast<const char*>(checkpoint.tensor(name).data());
}

TEST(Checkpoint, ReadsASingleFile) {
  const TemporaryDirectory directory;
  directory.write("model.safetensors", file_of({{"a", '1'}, {"b", '2'}}));

  const Checkpoint checkpoint(directory.path());

  EXPECT_THAT(checkpoint.names(), ElementsAre("a", "b"));
  EXPECT_EQ(value_of(checkpoint, "b"), '2');
  EXPECT_EQ(checkpoint.bytes(), 2u);
  EXPECT_TRUE(checkpoint.has("a"));
  EXPECT_FALSE(checkpoint.has("c"));
}

TEST(Checkpoint, NamesDirectoryAndTensorThatIsMissing) {
  const TemporaryDirectory directory;
  directory.write("model.safetensors", file_of({{"a", '1'}}));
  const Checkpoint checkpoint(directory.path());

  EXPECT_USER_ERROR(
      checkpoint.tensor("layer.7"),
      AllOf(HasSubstr(directory.path().string()), HasSubstr("\"layer.7\" is missing"))
  );
  EXPECT_THAT(checkpoint.where("a"), HasSubstr("model.safetensors: a"));
}

TEST(Checkpoint, ReadsShardsThroughTheIndex) {
  const TemporaryDirectory directory;
  directory.write("x-1.safetensors", file_of({{"a", '1'}, {"b", '2'}}));
  directory.write("x-2.safetensors", file_of({{"c", '3'}}));
  directory.write(
      kIndex,
      R"({"metadata": {"total_size": 3},
          "weight_map": {"a": "x-1.safetensors", "b": "x-1.safetensors", "c": "x-2.safetensors"}})"
  );

  const Checkpoint checkpoint(directory.path());

  EXPECT_THAT(checkpoint.names(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(value_of(checkpoint, "a"), '1');
  EXPECT_EQ(value_of(checkpoint, "c"), '3');
}

TEST(Checkpoint, BelievesTheIndexAboutATensorThatIsInTwoShards) {
  const TemporaryDirectory directory;
  directory.write("x-1.safetensors", file_of({{"a", '1'}, {"b", '2'}}));
  directory.write("x-2.safetensors", file_of({{"a", '9'}, {"forgotten", '4'}}));
  directory.write(kIndex, R"({"weight_map": {"a": "x-2.safetensors", "b": "x-1.safetensors"}})");

  const Checkpoint checkpoint(directory.path());

  EXPECT_EQ(value_of(checkpoint, "a"), '9');
  EXPECT_EQ(value_of(checkpoint, "forgotten"), '4') << "what the index forgot still counts";
}

TEST(Checkpoint, ReadsSeveralFilesWithoutAnIndex) {
  const TemporaryDirectory directory;
  directory.write("one.safetensors", file_of({{"a", '1'}}));
  directory.write("two.safetensors", file_of({{"b", '2'}}));
  directory.write("notes.txt", "not a tensor");

  const Checkpoint checkpoint(directory.path());

  EXPECT_EQ(value_of(checkpoint, "a"), '1');
  EXPECT_EQ(value_of(checkpoint, "b"), '2');
}

TEST(Checkpoint, RefusesATensorInTwoFilesWithoutAnIndex) {
  const TemporaryDirectory directory;
  directory.write("one.safetensors", file_of({{"a", '1'}}));
  directory.write("two.safetensors", file_of({{"a", '2'}}));

  EXPECT_USER_ERROR(
      Checkpoint(directory.path()),
      AllOf(HasSubstr("\"a\""), HasSubstr("one.safetensors"), HasSubstr("two.safetensors"))
  );
}

TEST(Checkpoint, RefusesDirectoriesWithoutWeights) {
  const TemporaryDirectory directory;

  EXPECT_USER_ERROR(Checkpoint(directory.path()), HasSubstr("holds no weights"));
  EXPECT_USER_ERROR(Checkpoint(directory.path() / "no"), HasSubstr("no such model directory"));
  EXPECT_USER_ERROR(Checkpoint(directory.write("file", "x")), HasSubstr("no such model directory"));
}

TEST(Checkpoint, NamesAShardThatIsMissing) {
  const TemporaryDirectory directory;
  directory.write("x-1.safetensors", file_of({{"a", '1'}}));
  directory.write(kIndex, R"({"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}})");

  EXPECT_USER_ERROR(
      Checkpoint(directory.path()), AllOf(HasSubstr("x-2.safetensors"), HasSubstr("\"b\""))
  );
}

TEST(Checkpoint, NamesATensorThatItsShardLacks) {
  const TemporaryDirectory directory;
  directory.write("x-1.safetensors", file_of({{"a", '1'}}));
  directory.write(kIndex, R"({"weight_map": {"b": "x-1.safetensors"}})");

  EXPECT_USER_ERROR(
      Checkpoint(directory.path()), AllOf(HasSubstr("x-1.safetensors"), HasSubstr("\"b\""))
  );
}

TEST(Checkpoint, RefusesASingleFileThatTheIndexDoesNotKnow) {
  const TemporaryDirectory directory;
  directory.write("model.safetensors", file_of({{"a", '0'}}));
  directory.write("x-1.safetensors", file_of({{"a", '1'}}));
  directory.write(kIndex, R"({"weight_map": {"a": "x-1.safetensors"}})");

  EXPECT_USER_ERROR(Checkpoint(directory.path()), HasSubstr("out of date"));
}

/// Shard names that lead out of the directory, or are no names at all.
class StrangeShardName : public ::testing::TestWithParam<const char*> {};

TEST_P(StrangeShardName, IsRefused) {
  const TemporaryDirectory directory;
  directory.write("x.safetensors", file_of({{"a", '1'}}));
  std::filesystem::create_directory(directory.path() / "model");
  const std::filesystem::path model = directory.path() / "model";
  directory.write(
      std::string("model/") + kIndex, std::string(R"({"weight_map": {"a": )") + GetParam() + "}}"
  );

  EXPECT_USER_ERROR(
      Checkpoint(model), AllOf(HasSubstr("weight_map.a"), HasSubstr("in the same directory"))
  );
}

INSTANTIATE_TEST_SUITE_P(
    Checkpoint, StrangeShardName,
    ::testing::Values(
        R"("../x.safetensors")", R"("/tmp/x.safetensors")", R"("..\\x.safetensors")",
        R"("sub/x.safetensors")", R"("..")", R"("")", R"(".safetensors")", R"("x.bin")",
        R"("x\u0000.safetensors")", "7", "null", "[]"
    )
);

struct BadIndex {
  const char* name;
  const char* text;
  const char* message;
};

class BadIndexFile : public ::testing::TestWithParam<BadIndex> {};

TEST_P(BadIndexFile, IsRefusedByName) {
  const TemporaryDirectory directory;
  directory.write("x.safetensors", file_of({{"a", '1'}}));
  directory.write(kIndex, GetParam().text);

  EXPECT_USER_ERROR(
      Checkpoint(directory.path()), AllOf(HasSubstr(kIndex), HasSubstr(GetParam().message))
  );
}

INSTANTIATE_TEST_SUITE_P(
    Checkpoint, BadIndexFile,
    ::testing::Values(
        BadIndex{"Empty", "", "not valid JSON"}, BadIndex{"NotJson", "{x", "not valid JSON"},
        BadIndex{"Array", "[]", "must be an object"},
        BadIndex{"NoMap", "{}", "weight_map is missing"},
        BadIndex{"MapIsAList", R"({"weight_map": []})", "weight_map must be an object"},
        BadIndex{
            "SameTensorTwice", R"({"weight_map": {"a": "x.safetensors", "a": "x.safetensors"}})",
            "\"a\" appears twice"
        },
        BadIndex{"TooDeep", R"({"x": [[[[[[[[[[1]]]]]]]]]]})", "nests too deeply"}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST(Checkpoint, NamesADamagedShard) {
  const TemporaryDirectory directory;
  directory.write("x.safetensors", file_of({{"a", '1'}}).substr(0, 30));

  EXPECT_USER_ERROR(Checkpoint(directory.path()), HasSubstr("x.safetensors"));
}

}  // namespace
}  // namespace trellis
