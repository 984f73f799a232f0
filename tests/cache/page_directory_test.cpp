#include "cache/page_directory.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"
#include "cache/page_contents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <string>

namespace trellis {
namespace {

using testing::HasSubstr;

constexpr PageOrigin kOrigin = {{11, 12}, {13, 14}};
constexpr size_t kPayload = 3000;
const size_t kFile = page_file_bytes(kPayload);

class PageDirectoryTest : public testing::Test {
 protected:
  PageDirectoryTest() { open(10); }

  /// With room for so many pages.
  void open(size_t num_pages, const PageOrigin& origin = kOrigin) {
    directory_.reset();
    directory_ = std::make_unique<PageDirectory>(
        PageDirectoryOptions{path(), num_pages * kFile, origin, kPayload}
    );
  }
  std::filesystem::path path() const { return folder_.path() / "cache"; }
  std::filesystem::path file_of(int32_t first) const {
    return path() / fmt::format("{:032x}.page", first);
  }
  size_t bytes_of_files() const {
    size_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path())) {
      if (entry.path().extension() == ".page") bytes += entry.file_size();
    }
    return bytes;
  }

  PageDirectory::Finished wait() {
    for (;;) {
      directory_->wait(std::chrono::steady_clock::now() + std::chrono::seconds(60));
      std::vector<PageDirectory::Finished> finished = directory_->finished();
      if (!finished.empty()) return finished.at(0);
    }
  }
  /// Why the page could not be written; empty: it was.
  std::string write(const PageContent& page) {
    const std::vector<std::byte> payload = payload_of(page.tokens[0], kPayload);
    EXPECT_TRUE(directory_->start_write(page, 3, payload));
    const PageDirectory::Finished finished = wait();
    EXPECT_EQ(finished.place, 3);
    EXPECT_FALSE(finished.was_read);
    return finished.error;
  }
  bool find(int32_t first) {
    return directory_->find({static_cast<uint64_t>(first), 0}, full_page(first).tokens);
  }
  /// Whether the page comes back as it was written.
  bool read(int32_t first) {
    std::vector<std::byte> payload(kPayload);
    EXPECT_TRUE(directory_->start_read({static_cast<uint64_t>(first), 0}, 4, payload));
    const PageDirectory::Finished finished = wait();
    EXPECT_EQ(finished.place, 4);
    EXPECT_TRUE(finished.was_read);
    return finished.error.empty() && payload == payload_of(first, kPayload);
  }

  TemporaryDirectory folder_;
  std::unique_ptr<PageDirectory> directory_;
};

TEST_F(PageDirectoryTest, KeepsPagesBeyondTheProcess) {
  EXPECT_EQ(write(full_page(5)), "");
  EXPECT_TRUE(read(5));
  const SipKey key = directory_->key();

  open(10);

  EXPECT_EQ(directory_->key(), key);
  EXPECT_EQ(directory_->num_pages(), 1u);
  EXPECT_TRUE(find(5));
  EXPECT_FALSE(find(6));
  EXPECT_FALSE(directory_->find({5, 0}, full_page(6).tokens));
  EXPECT_TRUE(read(5));
}

TEST_F(PageDirectoryTest, FindsThePageThatBeginsLikeWhatIsWanted) {
  const PageContent part = part_of_page(500, 90, {5, 0});
  write(full_page(5));
  write(part);
  open(10);

  EXPECT_TRUE(directory_->has({5, 0}));
  EXPECT_EQ(directory_->find_part(kRoot, full_page(5).tokens).num_tokens, 256);
  PageContent wanted = part_of_page(500, 70, {5, 0});
  wanted.tokens.push_back(1);
  const PageDirectory::Part found = directory_->find_part({5, 0}, wanted.tokens);
  EXPECT_EQ(found.num_tokens, 70);
  EXPECT_EQ(found.hash, part.hash);
  EXPECT_EQ(directory_->find_part({5, 0}, full_page(5).tokens).num_tokens, 0);
  EXPECT_EQ(directory_->find_part({6, 0}, wanted.tokens).num_tokens, 0);
  std::vector<std::byte> payload(kPayload);
  EXPECT_TRUE(directory_->start_read(found.hash, 4, payload));
  EXPECT_EQ(wait().content.tokens, part.tokens);
  EXPECT_EQ(payload, payload_of(500, kPayload));
}

TEST_F(PageDirectoryTest, IsForThisUserAlone) {
  for (const char* name : {".", "key", "lock"}) {
    struct stat status = {};
    ASSERT_EQ(stat((path() / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 077, 0u) << name;
  }
  directory_.reset();
  std::filesystem::permissions(path(), std::filesystem::perms(0777));
  EXPECT_USER_ERROR(open(10), HasSubstr("others may write"));
}

TEST_F(PageDirectoryTest, HasKeysOfItsOwnForEachOrigin) {
  const SipKey key = directory_->key();
  open(10, {{11, 12}, {13, 15}});
  const SipKey other_format = directory_->key();
  open(10, {{10, 12}, {13, 14}});
  const SipKey other_model = directory_->key();
  directory_.reset();
  std::filesystem::remove(path() / "key");
  open(10);

  EXPECT_NE(other_format, key);
  EXPECT_NE(other_model, key);
  EXPECT_NE(other_model, other_format);
  EXPECT_NE(directory_->key(), key);
}

TEST_F(PageDirectoryTest, BelongsToOneProcess) {
  const auto open_again = [&] { PageDirectory({path(), 10 * kFile, kOrigin, kPayload}); };

  EXPECT_USER_ERROR(open_again(), HasSubstr("another process"));
  directory_.reset();
  EXPECT_NO_THROW(open_again());
}

TEST_F(PageDirectoryTest, NeverHoldsMoreThanItMayAndGivesUpTheOldestLeaf) {
  open(3);
  write(full_page(1));
  write(full_page(2, {1, 0}));
  write(full_page(3));
  EXPECT_EQ(bytes_of_files(), 3 * kFile);

  write(full_page(4));
  EXPECT_EQ(bytes_of_files(), 3 * kFile);
  EXPECT_EQ(directory_->bytes(), 3 * kFile);
  EXPECT_FALSE(find(2));
  EXPECT_TRUE(find(3));
  EXPECT_TRUE(find(1));
  write(full_page(5));
  EXPECT_FALSE(find(4));

  open(1);
  EXPECT_EQ(directory_->num_pages(), 1u);
  EXPECT_EQ(bytes_of_files(), kFile);
  EXPECT_USER_ERROR(open(0), HasSubstr("does not hold one page"));
}

TEST_F(PageDirectoryTest, GivesUpPagesOfOtherModelsFirst) {
  write(full_page(1));
  write(full_page(2));
  open(3, {{99, 99}, {13, 14}});

  EXPECT_FALSE(find(1));
  EXPECT_EQ(directory_->bytes(), 2 * kFile);
  write(full_page(3));
  write(full_page(4));
  write(full_page(5));

  EXPECT_EQ(bytes_of_files(), 3 * kFile);
  for (const int32_t first : {3, 4, 5}) EXPECT_TRUE(read(first));
}

TEST_F(PageDirectoryTest, RemovesWhatAProcessLeftThatWasKilledWhileItWrote) {
  const std::filesystem::path left = file_of(1).string() + ".tmp";
  std::ofstream(left) << "half a page";
  std::ofstream(path() / "notes.txt") << "of somebody else";
  std::ofstream(path() / "notes.page") << "of somebody else";

  open(10);

  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(path() / "notes.txt"));
  EXPECT_TRUE(std::filesystem::exists(path() / "notes.page"));
  EXPECT_EQ(directory_->num_pages(), 0u);
}

TEST_F(PageDirectoryTest, SkipsDamagedFilesAndReplacesThem) {
  for (const int32_t first : {1, 2, 3, 4}) write(full_page(first));
  directory_.reset();
  std::filesystem::resize_file(file_of(1), kFile - 1);
  std::filesystem::resize_file(file_of(2), 0);
  std::filesystem::rename(file_of(3), file_of(9));
  std::fstream(file_of(4), std::ios::in | std::ios::out).seekp(-1, std::ios::end) << '?';

  open(10);
  for (const int32_t first : {1, 2, 3, 9}) EXPECT_FALSE(find(first)) << first;
  EXPECT_TRUE(find(4)) << "its payload is not looked at before it is wanted";
  EXPECT_FALSE(read(4));
  EXPECT_FALSE(find(4));
  EXPECT_EQ(directory_->num_failed(), 1);

  for (const int32_t first : {1, 2, 3, 4}) {
    write(full_page(first));
    EXPECT_TRUE(read(first));
  }
  EXPECT_EQ(bytes_of_files(), directory_->bytes());
}

TEST_F(PageDirectoryTest, LosesAPageThatSomebodyRemoved) {
  write(full_page(1));
  std::filesystem::remove(file_of(1));

  EXPECT_FALSE(read(1));
  EXPECT_FALSE(find(1));
}

TEST_F(PageDirectoryTest, TakesNoMoreThanTheDiskIsBehind) {
  const std::vector<std::byte> payload = payload_of(0, kPayload);
  open(100);
  int num_taken = 0;
  while (directory_->start_write(full_page(num_taken), num_taken, payload)) ++num_taken;

  EXPECT_EQ(num_taken, 16);
  EXPECT_TRUE(find(0)) << "it is about to have it";
  while (directory_->is_busy()) wait();
  EXPECT_TRUE(directory_->start_write(full_page(99), 99, payload));
  wait();
}

/// The limit of this process stands for a full disk.
TEST_F(PageDirectoryTest, GoesOnWhenTheDiskIsFull) {
  write(full_page(1));
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small = {kFile / 2, before.rlim_max};

  setrlimit(RLIMIT_FSIZE, &small);
  const std::string refused = write(full_page(2));
  const bool readable = read(1);
  setrlimit(RLIMIT_FSIZE, &before);

  EXPECT_THAT(refused, HasSubstr("cannot be written"));
  EXPECT_TRUE(readable);
  EXPECT_FALSE(find(2));
  EXPECT_EQ(bytes_of_files(), kFile);
  EXPECT_EQ(directory_->bytes(), kFile);
  EXPECT_FALSE(std::filesystem::exists(file_of(2).string() + ".tmp"));
  EXPECT_EQ(write(full_page(2)), "");
  EXPECT_TRUE(read(2));
}

}  // namespace
}  // namespace trellis
