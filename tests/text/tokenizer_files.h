// The tokenizers that lie in tests/data, and the texts of llama.cpp with the ids its vocabularies
// give them.
#pragma once

#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace trellis {

inline std::filesystem::path committed_tokenizers() {
  return std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "data" / "tokenizers";
}

inline std::unique_ptr<Tokenizer> committed_tokenizer(const std::string& name) {
  return Tokenizer::from_file(committed_tokenizers() / name / "tokenizer.json");
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t end; (end = text.find(separator, start)) != std::string::npos;) {
    parts.push_back(text.substr(start, end - start));
    start = end + separator.size();
  }
  parts.push_back(text.substr(start));
  return parts;
}

/// The texts of a .inp file, which a marker line separates. The last one is empty.
inline std::vector<std::string> read_texts(const std::filesystem::path& path) {
  return split(read_text(path), "\n__ggml_vocab_test__\n");
}

/// The ids of a .out file, one text a line, the empty text's line last.
inline std::vector<std::vector<int32_t>> read_expected_ids(const std::filesystem::path& path) {
  std::vector<std::vector<int32_t>> expected;
  for (const std::string& line : split(read_text(path), "\n")) {
    std::istringstream numbers(line);
    expected.emplace_back(
        std::istream_iterator<int32_t>(numbers), std::istream_iterator<int32_t>()
    );
  }
  return expected;
}

/// Checks all 47 texts.
inline void expect_ids(
    const Tokenizer& tokenizer, const std::filesystem::path& texts_file,
    const std::filesystem::path& ids_file
) {
  const auto texts = read_texts(texts_file);
  const auto expected = read_expected_ids(ids_file);
  ASSERT_EQ(texts.size(), 47u);
  ASSERT_EQ(expected.size(), 47u);
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(tokenizer.encode(texts[i], false), expected[i]) << "text " << i << ": " << texts[i];
  }
}

}  // namespace trellis
