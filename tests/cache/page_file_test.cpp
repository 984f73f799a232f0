#include "cache/page_file.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"
#include "cache/page_contents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <string>

namespace trellis {
namespace {

using testing::HasSubstr;

constexpr PageOrigin kOrigin = {{11, 12}, {13, 14}};
constexpr size_t kPayload = 600;

class PageFileTest : public testing::Test {
 protected:
  PageFileTest() { write_page_file(path_, kOrigin, page_, payload_); }

  std::string bytes() const {
    std::ostringstream text;
    text << std::ifstream(path_, std::ios::binary).rdbuf();
    return text.str();
  }
  void set_bytes(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
  std::vector<std::byte> read() const {
    std::vector<std::byte> result(kPayload);
    read_page_file(path_, kOrigin, page_, result);
    return result;
  }
  /// Why the page cannot be read; empty: it can.
  std::string refusal() const {
    try {
      read();
      return "";
    } catch (const UserError& error) {
      return error.what();
    }
  }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "a.page";
  PageContent page_ = full_page(7, {5, 6});
  std::vector<std::byte> payload_ = payload_of(7, kPayload);
};

TEST_F(PageFileTest, GivesBackWhatWasWritten) {
  const PageFileHeader header = read_page_header(path_);

  EXPECT_EQ(header.origin, kOrigin);
  EXPECT_EQ(header.content.tokens, page_.tokens);
  EXPECT_EQ(header.content.parent, page_.parent);
  EXPECT_EQ(header.content.hash, page_.hash);
  EXPECT_EQ(header.payload_bytes, kPayload);
  EXPECT_EQ(read(), payload_);
  EXPECT_EQ(bytes().size(), page_file_bytes(kPayload));
}

TEST_F(PageFileTest, HoldsTheBeginningOfAPage) {
  for (const size_t count : {size_t{1}, size_t{255}}) {
    const PageContent part = part_of_page(7, count);
    write_page_file(path_, kOrigin, part, payload_);

    EXPECT_EQ(read_page_header(path_).content.tokens, part.tokens);
    std::vector<std::byte> payload(kPayload);
    read_page_file(path_, kOrigin, part, payload);
    EXPECT_EQ(payload, payload_);
    EXPECT_THAT(refusal(), HasSubstr("another page"));
  }
}

TEST_F(PageFileTest, IsForThisUserAloneAndLeavesNothingElse) {
  struct stat status = {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto entries = std::filesystem::directory_iterator(directory_.path());
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST_F(PageFileTest, SeesAFlippedBitInEveryByte) {
  const std::string whole = bytes();
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    set_bytes(damaged);
    EXPECT_THAT(refusal(), HasSubstr(path_.string())) << "byte " << i;
    if (i < whole.size() - kPayload) {
      EXPECT_THROW(read_page_header(path_), UserError) << "byte " << i;
    }
  }
  set_bytes(whole);
  EXPECT_EQ(refusal(), "");
}

TEST_F(PageFileTest, SeesEveryOtherLength) {
  const std::string whole = bytes();
  for (size_t length = 0; length < whole.size(); length += length < 1200 ? 1 : 97) {
    set_bytes(whole.substr(0, length));
    EXPECT_THROW(read_page_header(path_), UserError) << length << " bytes";
  }
  set_bytes(whole + "x");
  EXPECT_THROW(read_page_header(path_), UserError);
}

TEST_F(PageFileTest, GivesNoPageForAnother) {
  std::vector<std::byte> payload(kPayload);
  const auto read_as = [&](const PageOrigin& origin, const PageContent& page) {
    read_page_file(path_, origin, page, payload);
  };
  PageContent other_parent = page_;
  other_parent.parent.high ^= 1;
  PageContent other_token = page_;
  other_token.tokens[255] ^= 1;

  EXPECT_USER_ERROR(read_as({{11, 13}, {13, 14}}, page_), HasSubstr("another page"));
  EXPECT_USER_ERROR(read_as({{11, 12}, {13, 15}}, page_), HasSubstr("another page"));
  EXPECT_USER_ERROR(read_as(kOrigin, other_parent), HasSubstr("another page"));
  EXPECT_USER_ERROR(read_as(kOrigin, other_token), HasSubstr("another page"));
  payload.resize(kPayload - 1);
  EXPECT_USER_ERROR(read_as(kOrigin, page_), HasSubstr("another page"));
}

TEST_F(PageFileTest, ReadsRegularFilesAlone) {
  const std::filesystem::path link = directory_.path() / "link.page";
  std::filesystem::create_symlink(path_, link);
  const std::filesystem::path pipe = directory_.path() / "pipe.page";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);

  EXPECT_THROW(read_page_header(link), UserError);
  EXPECT_USER_ERROR(read_page_header(pipe), HasSubstr("not a regular file"));
  EXPECT_USER_ERROR(read_page_header(directory_.path()), HasSubstr("not a regular file"));
  EXPECT_THROW(read_page_header(directory_.path() / "none"), UserError);
}

}  // namespace
}  // namespace trellis
