#include "base/json.h"

template class nlohmann::basic_json<>;
template class nlohmann::basic_json<nlohmann::ordered_map>;
template class nlohmann::detail::serializer<nlohmann::json>;
template class nlohmann::detail::serializer<nlohmann::ordered_json>;
template class nlohmann::detail::parser<nlohmann::json, trellis::json_input::Pointer>;
template class nlohmann::detail::parser<nlohmann::json, trellis::json_input::Characters>;
template class nlohmann::detail::parser<nlohmann::ordered_json, trellis::json_input::Pointer>;
template class nlohmann::detail::parser<nlohmann::ordered_json, trellis::json_input::Characters>;
