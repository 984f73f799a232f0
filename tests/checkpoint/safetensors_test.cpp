#include "checkpoint/safetensors.h"

#include "base/error_matchers.h"
#include "base/json.h"
#include "base/temporary_directory.h"
#include "checkpoint/raw_safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SafetensorsHeader parse(const std::string& file) {
  return parse_safetensors_header(
      {reinterpret_cast<const uint8_t*>(file.data()), file.size()}, "w.safetensors"
  );
}

std::string bytes_of(const ConstTensor& tensor) {
  return {static_cast<const char*>(tensor.data()), tensor.bytes()};
}

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST(Safetensors, ReadsEveryDtypeAsTheReferenceLibraryWroteIt) {
  const std::filesystem::path golden =
      std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests/checkpoint/golden";
  const Json expected = read_json_file(golden / "all_dtypes.json")["tensors"];

  const SafetensorsFile file(golden / "all_dtypes.safetensors");

  EXPECT_EQ(file.metadata().at("note"), "with \"quotes\"");
  ASSERT_EQ(file.names().size(), expected.size());
  for (const auto& [name, tensor] : expected.items()) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(file.has(name));
    const ConstTensor found = file.tensor(name);
    EXPECT_EQ(dtype_name(found.dtype()), tensor["dtype"].get<std::string>());
    Json shape = Json::array();
    for (int axis = 0; axis < found.rank(); ++axis) shape.push_back(found.dim(axis));
    EXPECT_EQ(shape, tensor["shape"]);
    EXPECT_EQ(bytes_of(found), from_hex(tensor["hex"]));
  }
}

TEST(Safetensors, ReadsTensorsAtOddAddresses) {
  const TemporaryDirectory directory;
  const std::vector<uint32_t> numbers = {1, 0xFFFFFFFF};
  const std::vector<RawTensor> tensors = {
      {"a", DType::kInt8, {1}, "x"}, raw_tensor("b", DType::kUint32, {2}, numbers)
  };

  for (size_t padding = 0; padding < 4; ++padding) {
    const SafetensorsFile file(directory.write("w.safetensors", make_safetensors(tensors, padding))
    );
    EXPECT_EQ(bytes_of(file.tensor("a")), "x");
    EXPECT_EQ(bytes_of(file.tensor("b")), tensors[1].data);
  }
}

TEST(Safetensors, ListsNamesInOrderAndRefusesOthers) {
  const TemporaryDirectory directory;
  const SafetensorsFile file(directory.write(
      "w.safetensors",
      make_safetensors({{"z", DType::kInt8, {1}, "1"}, {"a", DType::kInt8, {1}, "2"}})
  ));

  EXPECT_THAT(file.names(), ElementsAre("a", "z"));
  EXPECT_USER_ERROR(
      file.tensor("b"), AllOf(HasSubstr("w.safetensors"), HasSubstr("no tensor \"b\""))
  );
}

TEST(Safetensors, ReadsAFileWithoutTensors) {
  EXPECT_TRUE(parse(raw_safetensors("{}", "")).tensors.empty());
  EXPECT_EQ(
      parse(raw_safetensors(R"({"__metadata__":{"a":"b"}})", "")).metadata,
      (std::map<std::string, std::string>{{"a", "b"}})
  );
}

TEST(Safetensors, TakesEmptyTensorsAnywhere) {
  const auto header = parse(raw_safetensors(
      R"({"e":{"dtype":"F32","shape":[0],"data_offsets":[2,2]},
          "f":{"dtype":"F32","shape":[3,0],"data_offsets":[0,0]},
          "a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},
          "b":{"dtype":"I8","shape":[],"data_offsets":[2,3]}})",
      "xyz"
  ));

  EXPECT_EQ(header.tensors.size(), 4u);
  EXPECT_EQ(header.tensors.at("f").shape, (Shape{3, 0}));
}

TEST(Safetensors, IgnoresFieldsOfATensorThatItDoesNotKnow) {
  const auto header = parse(
      raw_safetensors(R"({"a":{"dtype":"I8","shape":[1],"note":7,"data_offsets":[0,1]}})", "x")
  );

  EXPECT_TRUE(header.tensors.contains("a"));
}

struct BadFile {
  const char* name;
  std::string bytes;
  std::vector<const char*> message;
};

std::string one_entry(const std::string& entry, size_t data_bytes = 4) {
  return raw_safetensors("{\"t\":" + entry + "}", std::string(data_bytes, 'x'));
}

std::string two_entries(const char* first, const char* second, size_t data_bytes) {
  const auto entry = [](const char* offsets, int size) {
    return "{\"dtype\":\"I8\",\"shape\":[" + std::to_string(size) +
           "],\"data_offsets\":" + offsets + "}";
  };
  return raw_safetensors(
      "{\"a\":" + entry(first, 4) + ",\"b\":" + entry(second, 4) + "}", std::string(data_bytes, 'x')
  );
}

std::vector<BadFile> bad_files() {
  const std::string good = one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})");
  const std::string key = R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]})";
  return {
      {"NoBytes", "", {"too few"}},
      {"HalfALength", std::string(7, '\0'), {"too few"}},
      {"NoHeader", header_length(0), {"not JSON"}},
      {"LengthOf2To60", header_length(uint64_t{1} << 60) + "{}", {"exceeds the limit"}},
      {"LengthOfAllOnes", header_length(~uint64_t{0}) + "{}", {"exceeds the limit"}},
      {"LengthJustOverTheLimit", header_length(100'000'001) + "{}", {"exceeds the limit"}},
      {"LengthBeyondTheFile", header_length(3) + "{}", {"the file ends after 2", "truncated"}},
      {"TruncatedHeader", good.substr(0, 20), {"truncated"}},
      {"TruncatedData", good.substr(0, good.size() - 1), {"t.data_offsets", "truncated"}},
      {"NotJson", raw_safetensors("{hello", ""), {"not JSON"}},
      {"UnfinishedJson", raw_safetensors(R"({"t":{"dtype")", ""), {"not JSON"}},
      {"NotUtf8", raw_safetensors("{\"\xc3\x28\":1}", ""), {"not JSON"}},
      {"ZeroByteInHeader", raw_safetensors(std::string("{}\0\0", 4), ""), {"not JSON"}},
      {"TextBehindTheHeader", raw_safetensors("{} {}", ""), {"not JSON"}},
      {"ByteOrderMark", raw_safetensors("\xef\xbb\xbf{}", ""), {"not JSON"}},
      {"ArrayHeader", raw_safetensors("[1]", ""), {"not JSON"}},
      {"EntryIsANumber", one_entry("1"), {"\"t\" must be an object"}},
      {"EntryIsNull", one_entry("null"), {"\"t\" must be an object"}},
      {"EntryIsAnArray", one_entry("[]"), {"\"t\" must be an object"}},
      {"DeepNesting", one_entry(R"({"shape":[[[1]]]})"), {"nests too deeply"}},
      {"VeryDeepNesting", raw_safetensors("{\"t\":" + std::string(100000, '['), ""), {"t"}},
      {"NoDtype", one_entry(R"({"shape":[1],"data_offsets":[0,4]})"), {"t.dtype is missing"}},
      {"UnknownDtype",
       one_entry(R"({"dtype":"F4","shape":[1],"data_offsets":[0,4]})"),
       {"t.dtype \"F4\"", "F32"}},
      {"DtypeIsANumber",
       one_entry(R"({"dtype":4,"shape":[1],"data_offsets":[0,4]})"),
       {"t.dtype must be a string"}},
      {"NoShape", one_entry(R"({"dtype":"F32","data_offsets":[0,4]})"), {"t.shape is missing"}},
      {"ShapeIsANumber",
       one_entry(R"({"dtype":"F32","shape":1,"data_offsets":[0,4]})"),
       {"t.shape must be an array"}},
      {"NegativeSize",
       one_entry(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"),
       {"t.shape", "not negative"}},
      {"FractionalSize",
       one_entry(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})"),
       {"t.shape", "whole numbers"}},
      {"FiveDimensions",
       one_entry(R"({"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4]})"),
       {"t.shape has 5 dimensions"}},
      {"SizeOf31Bits",
       one_entry(R"({"dtype":"F32","shape":[2147483648],"data_offsets":[0,4]})"),
       {"t.shape", "2147483648"}},
      {"SizeBeyond64Bits",
       one_entry(R"({"dtype":"F32","shape":[18446744073709551617],"data_offsets":[0,4]})"),
       {"t.shape"}},
      // The product is 2^64 and would wrap to zero.
      {"ProductWrapsTo0",
       one_entry(R"({"dtype":"I8","shape":[65536,65536,65536,65536],"data_offsets":[0,0]})", 0),
       {"t.shape", "more elements"}},
      {"BytesWrapTo0",
       one_entry(R"({"dtype":"F64","shape":[1073741824,1073741824,2],"data_offsets":[0,0]})", 0),
       {"t.shape", "more elements"}},
      {"OverflowBeforeAZero",
       one_entry(
           R"({"dtype":"I8","shape":[2147483647,2147483647,2147483647,0],"data_offsets":[0,0]})", 0
       ),
       {"t.shape", "more elements"}},
      {"NoOffsets", one_entry(R"({"dtype":"F32","shape":[1]})"), {"t.data_offsets is missing"}},
      {"OneOffset",
       one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0]})"),
       {"t.data_offsets must be [begin, end]"}},
      {"NegativeOffset",
       one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[-4,0]})"),
       {"t.data_offsets"}},
      {"OffsetsBackwards",
       one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"),
       {"t.data_offsets", "outside"}},
      {"OffsetsBeyondTheFile",
       one_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[1,5]})"),
       {"t.data_offsets [1, 5] lies outside"}},
      {"HugeOffsets",
       one_entry(
           R"({"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615]})"
       ),
       {"t.data_offsets", "outside"}},
      {"TooFewBytes",
       one_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"),
       {"t.data_offsets span 4 bytes", "takes 8"}},
      {"TooManyBytes",
       one_entry(R"({"dtype":"I8","shape":[],"data_offsets":[0,4]})"),
       {"t.data_offsets span 4 bytes", "takes 1"}},
      {"Overlap", two_entries("[0,4]", "[3,7]", 7), {"b", "overlap"}},
      {"SameBytesTwice", two_entries("[0,4]", "[0,4]", 4), {"overlap"}},
      {"GapBetween", two_entries("[0,4]", "[5,9]", 9), {"b: 1 bytes before it belong to no"}},
      {"GapAtTheStart", two_entries("[1,5]", "[5,9]", 9), {"a: 1 bytes before it"}},
      {"BytesLeftOver", two_entries("[0,4]", "[4,8]", 9), {"the last 1 bytes"}},
      {"DataWithoutTensors", raw_safetensors("{}", "x"), {"the last 1 bytes"}},
      {"DuplicateTensor",
       raw_safetensors(
           R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},
               "a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
           "x"
       ),
       {"\"a\" appears twice"}},
      {"DuplicateField",
       one_entry(R"({"dtype":"I8","dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
       {"\"dtype\" appears twice"}},
      {"MetadataIsAnArray", raw_safetensors(R"({"__metadata__":[]})", ""), {"must be an object"}},
      {"MetadataOfNumbers",
       raw_safetensors(R"({"__metadata__":{"a":1}})", ""),
       {"__metadata__.a must be a string"}},
      {"MetadataNests",
       raw_safetensors(R"({"__metadata__":{"a":{"b":"c"}}})", ""),
       {"__metadata__.a must be a string"}},
  };
}

class BadSafetensors : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadSafetensors, IsRefusedNamingTheFileAndWhatIsWrong) {
  const std::string message = user_error_of([&] { parse(GetParam().bytes); });

  EXPECT_THAT(message, HasSubstr("w.safetensors"));
  for (const char* part : GetParam().message) EXPECT_THAT(message, HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Files, BadSafetensors, ::testing::ValuesIn(bad_files()),
    [](const auto& info) { return std::string(info.param.name); }
);

TEST(Safetensors, RefusesEveryTruncationOfAGoodFile) {
  const std::string good = make_safetensors(
      {raw_tensor<uint16_t>("a", DType::kFloat16, {2}, {1, 2}),
       raw_tensor<float>("b", DType::kFloat32, {1, 2}, {1.0f, 2.0f})}
  );
  ASSERT_NO_THROW(parse(good));

  int accepted = 0;
  for (size_t size = 0; size < good.size(); ++size) {
    try {
      parse(good.substr(0, size));
      ++accepted;
    } catch (const UserError&) {
    }
  }

  EXPECT_EQ(accepted, 0);
}

}  // namespace
}  // namespace trellis
