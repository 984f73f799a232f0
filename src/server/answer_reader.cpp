#include "server/answer_reader.h"

#include "server/api/answer_json.h"

namespace trellis::server {
namespace {

/// What the templates of Mistral's models take.
constexpr size_t kShortIdCharacters = 9;

}  // namespace

std::vector<AnswerPiece> AnswerReader::take(const Event& event) {
  std::vector<AnswerPiece> pieces = parser_.push(event.text);
  if (event.finished) {
    for (AnswerPiece& piece : parser_.finish()) pieces.push_back(std::move(piece));
  }
  for (const AnswerPiece& piece : pieces) {
    switch (piece.kind) {
      case AnswerPiece::Kind::kText:
        parts_.text += piece.text;
        break;
      case AnswerPiece::Kind::kReasoning:
        parts_.reasoning += piece.text;
        break;
      case AnswerPiece::Kind::kCall: {
        const std::string id =
            has_short_ids_ ? random_id("").substr(0, kShortIdCharacters) : random_id(id_prefix_);
        parts_.calls.push_back({id, piece.text, ""});
        break;
      }
      case AnswerPiece::Kind::kArguments:
        parts_.calls.back().arguments += piece.text;
    }
  }
  return pieces;
}

}  // namespace trellis::server
