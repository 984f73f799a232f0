// What the values of options may be: how --help shows them and how a wrong one is refused.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace trellis {

inline constexpr int64_t kNoMost = INT64_MAX;

/// N: a whole number.
CLI::Option* whole_number(CLI::Option* option, int64_t least, int64_t most = kNoMost);
/// N: a whole number from 0 to 2^64 - 1.
CLI::Option* seed_number(CLI::Option* option);
/// X: a number, fractions allowed. Its range, if it has one, is checked elsewhere.
CLI::Option* any_number(CLI::Option* option);
/// X: a number from least to most.
CLI::Option* number_between(CLI::Option* option, double least, double most);
/// SIZE: bytes, or a number with KiB, MiB, GiB or TiB behind it. The option's value is the bytes.
CLI::Option* byte_size(CLI::Option* option);
/// TYPE: what parse_kv_types() reads.
CLI::Option* kv_types(CLI::Option* option);
/// One of these names, or numbers, all of which --help shows.
CLI::Option* one_of(CLI::Option* option, const std::vector<std::string>& names);

}  // namespace trellis
