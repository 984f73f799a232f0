#include "checkpoint/safetensors.h"

#include "base/json.h"
#include "checkpoint/unique_keys.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace trellis {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr int kMaxHeaderDepth = 3;  // header, tensor, shape

constexpr DType kAllDTypes[] = {
    DType::kFloat32, DType::kFloat16, DType::kBFloat16, DType::kFloat64,    DType::kInt8,
    DType::kUint8,   DType::kInt16,   DType::kUint16,   DType::kInt32,      DType::kUint32,
    DType::kInt64,   DType::kUint64,  DType::kBool,     DType::kFloat8E4M3, DType::kFloat8E5M2,
};

DType read_dtype(const JsonObject& entry) {
  const auto name = entry.optional_string("dtype");
  if (!name) throw UserError("{} is missing", entry.where("dtype"));
  std::string known;
  for (const DType dtype : kAllDTypes) {
    if (*name == dtype_name(dtype)) return dtype;
    known += known.empty() ? "" : ", ";
    known += dtype_name(dtype);
  }
  throw UserError("{} \"{}\" is not supported; known are {}", entry.where("dtype"), *name, known);
}

const Json& required_array(const JsonObject& entry, const char* key) {
  const Json* value = entry.find(key);
  if (value == nullptr) throw UserError("{} is missing", entry.where(key));
  if (!value->is_array()) {
    throw UserError("{} must be an array, found {}", entry.where(key), value->type_name());
  }
  return *value;
}

uint64_t read_unsigned(const JsonObject& entry, const char* key, const Json& value) {
  if (!value.is_number_unsigned()) {
    throw UserError(
        "{} must hold whole numbers that are not negative, found {}", entry.where(key),
        value.dump().substr(0, 60)
    );
  }
  return value.get<uint64_t>();
}

struct SizedShape {
  Shape shape;
  uint64_t numel = 1;
};

SizedShape read_shape(const JsonObject& entry) {
  const Json& dims = required_array(entry, "shape");
  if (dims.size() > kMaxRank) {
    throw UserError(
        "{} has {} dimensions; at most {} are supported", entry.where("shape"), dims.size(),
        kMaxRank
    );
  }
  std::array<int64_t, kMaxRank> sizes = {};
  SizedShape result;
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    const uint64_t size = read_unsigned(entry, "shape", dims[axis]);
    if (size > INT32_MAX) {
      throw UserError(
          "{}: dimension {} is {}; at most {} is supported", entry.where("shape"), axis, size,
          INT32_MAX
      );
    }
    // Checked in signed 64 bits from left to right, just as Shape::numel multiplies, even if a
    // later size is zero.
    const uint64_t limit = static_cast<uint64_t>(INT64_MAX) / 8;
    if (size != 0 && result.numel > limit / size) {
      throw UserError(
          "{}: {} describes more elements than fit any file", entry.where("shape"), dims.dump()
      );
    }
    result.numel *= size;
    sizes[axis] = static_cast<int64_t>(size);
  }
  switch (dims.size()) {
    case 0:
      break;
    case 1:
      result.shape = {sizes[0]};
      break;
    case 2:
      result.shape = {sizes[0], sizes[1]};
      break;
    case 3:
      result.shape = {sizes[0], sizes[1], sizes[2]};
      break;
    default:
      result.shape = {sizes[0], sizes[1], sizes[2], sizes[3]};
  }
  return result;
}

TensorEntry read_entry(const JsonObject& entry, uint64_t data_bytes) {
  TensorEntry result;
  result.dtype = read_dtype(entry);
  const SizedShape sized = read_shape(entry);
  result.shape = sized.shape;

  const Json& offsets = required_array(entry, "data_offsets");
  if (offsets.size() != 2) {
    throw UserError(
        "{} must be [begin, end], found {} numbers", entry.where("data_offsets"), offsets.size()
    );
  }
  result.begin = read_unsigned(entry, "data_offsets", offsets[0]);
  result.end = read_unsigned(entry, "data_offsets", offsets[1]);
  if (result.begin > result.end || result.end > data_bytes) {
    throw UserError(
        "{} [{}, {}] lies outside the file's {} bytes of data; the file may be truncated",
        entry.where("data_offsets"), result.begin, result.end, data_bytes
    );
  }
  const uint64_t needed = sized.numel * dtype_bytes(result.dtype);
  if (result.end - result.begin != needed) {
    throw UserError(
        "{} span {} bytes, but {} of shape {} takes {}", entry.where("data_offsets"),
        result.end - result.begin, dtype_name(result.dtype), result.shape.to_string(), needed
    );
  }
  return result;
}

/// Takes the header apart entry by entry while it is parsed: the whole document never exists in
/// memory.
class HeaderReader {
 public:
  HeaderReader(const std::string& origin, uint64_t data_bytes, SafetensorsHeader& header)
      : origin_(origin), data_bytes_(data_bytes), header_(header), unique_keys_(origin) {}

  /// The parser's callback. False drops what was parsed.
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    unique_keys_.see(event, parsed);
    const bool opens = event == Event::object_start || event == Event::array_start;
    if (opens && depth >= kMaxHeaderDepth) {
      throw UserError("{}: the header nests too deeply", origin_);
    }
    if (depth == 0 && event == Event::array_start) throw not_an_object("the header");
    if (depth != 1) return true;
    if (event == Event::key) {
      key_ = parsed.get<std::string>();
    } else if (event == Event::object_end) {
      finish(parsed);
      return false;
    } else if (event == Event::array_start || event == Event::value) {
      throw not_an_object("\"" + key_ + "\"");
    }
    return true;
  }

 private:
  UserError not_an_object(const std::string& what) const {
    return UserError("{}: {} must be an object", origin_, what);
  }

  void finish(const Json& parsed) {
    if (key_ != "__metadata__") {
      header_.tensors.emplace(key_, read_entry(JsonObject(parsed, origin_, key_), data_bytes_));
      return;
    }
    for (const auto& [key, value] : parsed.items()) {
      if (!value.is_string()) {
        throw UserError("{}: __metadata__.{} must be a string", origin_, key);
      }
      header_.metadata.emplace(key, value.get<std::string>());
    }
  }

  const std::string& origin_;
  uint64_t data_bytes_;
  SafetensorsHeader& header_;
  UniqueKeys unique_keys_;
  std::string key_;
};

/// The format wants the data section covered exactly: hidden bytes would let one file mean two
/// things.
void check_cover(const SafetensorsHeader& header, uint64_t data_bytes, const std::string& origin) {
  std::vector<std::pair<const std::string*, const TensorEntry*>> order;
  order.reserve(header.tensors.size());
  for (const auto& [name, entry] : header.tensors) order.emplace_back(&name, &entry);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
  });
  uint64_t covered = 0;
  for (const auto& [name, entry] : order) {
    if (entry->begin < covered) {
      throw UserError("{}: {}: its bytes overlap those of another tensor", origin, *name);
    }
    if (entry->begin > covered) {
      throw UserError(
          "{}: {}: {} bytes before it belong to no tensor", origin, *name, entry->begin - covered
      );
    }
    covered = entry->end;
  }
  if (covered != data_bytes) {
    throw UserError("{}: the last {} bytes belong to no tensor", origin, data_bytes - covered);
  }
}

uint64_t read_header_length(std::span<const uint8_t> file, const std::string& origin) {
  if (file.size() < kLengthBytes) {
    throw UserError(
        "{}: not a safetensors file: {} bytes are too few; the file may be truncated", origin,
        file.size()
    );
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= static_cast<uint64_t>(file[i]) << (8 * i);
  if (length > kMaxSafetensorsHeader) {
    throw UserError(
        "{}: not a safetensors file: a header of {} bytes exceeds the limit of {}", origin, length,
        kMaxSafetensorsHeader
    );
  }
  if (length > file.size() - kLengthBytes) {
    throw UserError(
        "{}: the header should have {} bytes, but the file ends after {}; the file may be "
        "truncated",
        origin, length, file.size() - kLengthBytes
    );
  }
  return length;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(
    std::span<const uint8_t> file, const std::string& origin
) {
  const uint64_t length = read_header_length(file, origin);
  const auto text = file.subspan(kLengthBytes, length);
  // The parser skips a byte order mark and takes a zero byte for the end; the format knows neither.
  if (text.empty() || text[0] != '{' || std::memchr(text.data(), 0, text.size()) != nullptr) {
    throw UserError("{}: not a safetensors file: the header is not JSON", origin);
  }
  SafetensorsHeader header;
  header.data_offset = kLengthBytes + length;
  const uint64_t data_bytes = file.size() - header.data_offset;
  HeaderReader reader(origin, data_bytes, header);
  try {
    [[maybe_unused]] const Json emptied = Json::parse(text.begin(), text.end(), std::ref(reader));
  } catch (const Json::exception& error) {
    throw UserError("{}: not a safetensors file: the header is not JSON: {}", origin, error.what());
  }
  check_cover(header, data_bytes, origin);
  return header;
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), header_(parse_safetensors_header(file_.bytes(), path.string())) {}

ConstTensor SafetensorsFile::tensor(const std::string& name) const {
  const auto it = header_.tensors.find(name);
  if (it == header_.tensors.end()) {
    throw UserError("{}: there is no tensor \"{}\"", path().string(), name);
  }
  const TensorEntry& entry = it->second;
  return {file_.bytes().data() + header_.data_offset + entry.begin, entry.dtype, entry.shape};
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> result;
  result.reserve(header_.tensors.size());
  for (const auto& [name, entry] : header_.tensors) result.push_back(name);
  return result;
}

}  // namespace trellis
