// POST /v1/embeddings
#include "base/base64.h"
#include "server/api/answer_json.h"
#include "server/api/embedding_request.h"
#include "server/embedding_reply.h"
#include "server/prompt.h"
#include "server/routes/endpoints.h"

#include <bit>
#include <cmath>

namespace trellis::server {
namespace {

static_assert(std::endian::native == std::endian::little, "the bytes of base64 are little-endian");

/// The first numbers of a vector, of length 1 again: what models that were trained for it
/// (Kusupati et al. 2022, Matryoshka representations) make of few dimensions.
std::vector<float> shorten(std::vector<float> embedding, size_t dimensions) {
  if (dimensions >= embedding.size()) return embedding;
  embedding.resize(dimensions);
  double squares = 0.0;
  for (const float value : embedding) squares += static_cast<double>(value) * value;
  const double scale = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
  for (float& value : embedding) value = static_cast<float>(value * scale);
  return embedding;
}

OrderedJson embedding_json(const std::vector<float>& embedding, bool as_base64) {
  if (as_base64) return base64_encode(std::as_bytes(std::span(embedding)));
  return embedding;
}

std::string list_of(
    const EmbeddingReply::Vectors& embeddings, const std::string& model,
    const EmbeddingRequest& request, const AnswerFigures& figures
) {
  OrderedJson data = OrderedJson::array();
  for (size_t i = 0; i < embeddings.size(); ++i) {
    const auto all = static_cast<int64_t>(embeddings[i].size());
    const auto dimensions = static_cast<size_t>(request.dimensions.value_or(all));
    data.push_back(
        {{"object", "embedding"},
         {"index", i},
         {"embedding", embedding_json(shorten(embeddings[i], dimensions), request.as_base64)}}
    );
  }
  return to_text(
      {{"object", "list"},
       {"data", std::move(data)},
       {"model", model},
       {"usage", {{"prompt_tokens", figures.prompt_tokens}, {"total_tokens", figures.prompt_tokens}}
       }}
  );
}

}  // namespace

Result<Outcome> embeddings(const ModelContext& model, const RequestBody& body) {
  Engine& engine = model.engine;
  auto parsed = read_embedding_request(body.json);
  if (!parsed.ok()) return parsed.error();
  EmbeddingRequest asked = std::move(parsed).value();
  const int64_t most = engine.info().hidden_size;
  if (asked.dimensions.value_or(0) > most) {
    return invalid_value(
        "dimensions",
        fmt::format(
            "dimensions must be at most {}, the model's own, found {}", most, *asked.dimensions
        )
    );
  }

  std::vector<Request> requests;
  for (const TextOrIds& input : asked.inputs) {
    auto ids = input_ids(engine, input, asked.add_special_tokens, "input");
    if (!ids.ok()) return ids.error();
    Request& one = requests.emplace_back(asked.request);
    one.prompt_ids = std::move(ids).value();
    one.pooling = asked.pooling.value_or(model.server.pooling);
  }
  asked.inputs.clear();
  auto reply = EmbeddingReply::submit(
      engine, std::move(requests),
      [name = model.name, asked](const auto& embeddings, const AnswerFigures& figures) {
        return list_of(embeddings, name, asked, figures);
      }
  );
  if (!reply.ok()) return reply.error();
  return Outcome(std::unique_ptr<PendingReply>(std::move(reply).value()));
}

}  // namespace trellis::server
