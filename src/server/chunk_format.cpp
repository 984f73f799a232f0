#include "server/chunk_format.h"

namespace trellis::server {

std::string ChunkFormat::end(const AnswerFigures& figures) {
  std::string events;
  if (include_usage_) {
    events = sse_event(document(chunk_object_, OrderedJson::array(), figures));
  }
  return events + sse_event("[DONE]");
}

std::string ChunkFormat::document(
    const char* object, OrderedJson choices, const AnswerFigures& figures
) const {
  OrderedJson json = head_json(head_, object);
  json["choices"] = std::move(choices);
  json["usage"] = usage_json(figures);
  return to_text(json);
}

std::string ChunkFormat::chunk(OrderedJson choice) const {
  OrderedJson json = head_json(head_, chunk_object_);
  json["choices"] = OrderedJson::array({std::move(choice)});
  if (include_usage_) json["usage"] = nullptr;
  return sse_event(to_text(json));
}

}  // namespace trellis::server
