// Any text as an answer: taken apart into the same pieces wherever it is cut, whatever its shape.
// The first byte chooses the shape, the second where the text is cut.
#include "dialog/answer_parser.h"
#include "require.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

using trellis::AnswerParser;
using trellis::AnswerPiece;
using trellis::AnswerShape;
using trellis::require;

namespace {

AnswerShape shape_of(uint8_t choice) {
  AnswerShape shape;
  if ((choice & 1) != 0) shape.reasoning = {"<think>", "</think>"};
  shape.begins_in_reasoning = (choice & 2) != 0;
  const size_t format = choice / 4;
  if (format < trellis::tool_formats().size()) shape.tools = trellis::tool_formats()[format];
  return shape;
}

/// Pieces of one kind that follow one another are one, but for calls.
void add(std::vector<AnswerPiece>& all, std::vector<AnswerPiece> more) {
  for (AnswerPiece& piece : more) {
    const bool joins = !all.empty() && all.back().kind == piece.kind;
    if (joins && piece.kind != AnswerPiece::Kind::kCall) {
      all.back().text += piece.text;
    } else {
      all.push_back(std::move(piece));
    }
  }
}

std::vector<AnswerPiece> parse(const AnswerShape& shape, std::string_view text, size_t part) {
  AnswerParser parser(shape);
  std::vector<AnswerPiece> all;
  for (size_t at = 0; at < text.size(); at += part) add(all, parser.push(text.substr(at, part)));
  add(all, parser.finish());
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const AnswerShape shape = shape_of(data[0]);
  const size_t part = 1 + data[1];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);

  const std::vector<AnswerPiece> whole = parse(shape, text, text.size() + 1);

  require(parse(shape, text, 1) == whole, "cutting at every byte changes nothing");
  require(parse(shape, text, part) == whole, "other cuts change nothing");
  return 0;
}
