#include "base/mapped_file.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <utility>

namespace trellis {
namespace {

using ::testing::HasSubstr;

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytesOfTheFile) {
  const TemporaryDirectory directory;
  const std::string content("a\0b\xff", 4);

  const MappedFile file(directory.write("data", content));

  EXPECT_EQ(text_of(file), content);
}

TEST(MappedFile, MapsAnEmptyFile) {
  const TemporaryDirectory directory;

  const MappedFile file(directory.write("empty", ""));

  EXPECT_TRUE(file.bytes().empty());
}

TEST(MappedFile, OutlivesTheRemovalOfItsFile) {
  const TemporaryDirectory directory;
  const auto path = directory.write("data", "content");
  const MappedFile file(path);

  std::filesystem::remove(path);

  EXPECT_EQ(text_of(file), "content");
}

TEST(MappedFile, HandsItsBytesOverWhenMoved) {
  const TemporaryDirectory directory;
  MappedFile first(directory.write("first", "one"));
  MappedFile second(directory.write("second", "two"));

  MappedFile moved(std::move(first));
  second = std::move(moved);

  EXPECT_EQ(text_of(second), "one");
  EXPECT_EQ(second.path().filename(), "first");
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TemporaryDirectory directory;
  const auto pipe = directory.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);

  EXPECT_USER_ERROR(MappedFile(directory.path()), HasSubstr("is not a regular file"));
  EXPECT_USER_ERROR(MappedFile(pipe), HasSubstr("is not a regular file"));
  EXPECT_USER_ERROR(MappedFile(directory.path() / "none"), HasSubstr("none: cannot be opened"));
}

}  // namespace
}  // namespace trellis
