// `trellis bench-serve`: a server under load, ours or another with OpenAI's API.
#include "apps/trellis/bench_serve/load_client.h"
#include "apps/trellis/bench_serve/load_report.h"
#include "apps/trellis/interrupt_watcher.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/verbs.h"
#include "base/json.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>

namespace trellis {
namespace {

constexpr int kExitInterrupted = 130;
constexpr int64_t kMostRequests = 1'000'000;
constexpr int64_t kMostConcurrency = 16'384;
constexpr const char* kExamples =
    "Examples:\n"
    "  trellis bench-serve http://127.0.0.1:8080 --rate 4 --input-tokens 512 --output-tokens 128\n"
    "  trellis bench-serve http://127.0.0.1:8080 --requests 500 --concurrency 32 --html load.html\n"
    "  trellis bench-serve http://127.0.0.1:8080 --rate 2 --dataset chats.jsonl --json load.json\n"
    "Requests arrive at random (a Poisson process) whether or not earlier ones are answered. One\n"
    "that waits for --concurrency counts from its arrival. Exit code 1: no request was completed.";
// Plain words, of which most vocabularies have each as one token.
constexpr const char* kPlainText =
    "the time of year when people come home from work and find that there is not much to do but "
    "read a book or go for a long walk with some old friends down by the river under great trees "
    "while the sun goes down behind the hill and all the birds begin to sing their last song "
    "before "
    "night takes over from the day and the moon looks out of her white house in the dark sky above";

struct BenchServeArguments {
  std::string url;
  std::string rate = "inf";
  int64_t requests = 100;
  int64_t concurrency = 256;
  std::string input_tokens = "512";
  std::optional<std::string> output_tokens;
  std::string dataset;
  std::string api_key;
  std::string model;
  uint64_t seed = 0;
  double timeout_s = 600;
  std::string json;
  std::string html;
};

double parse_rate(const std::string& text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (!is_number || !std::isfinite(rate) || rate <= 0) {
    throw UsageError(
        "--rate: expected requests a second, above 0, or inf for all at once, found \"{}\"", text
    );
  }
  return rate;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !text) throw UserError("--dataset: {} cannot be read", path);
  return std::move(text).str();
}

void write_text(const std::string& path, const std::string& text, const char* option) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw UserError("{}: {} cannot be written", option, path);
}

/// Ids that are plain words to this server's model.
std::vector<int32_t> plain_vocabulary(LoadClient& client, const std::string& model) {
  Json request = {{"prompt", kPlainText}, {"add_special_tokens", false}};
  if (!model.empty()) request["model"] = model;
  std::vector<int32_t> ids;
  try {
    ids = parse_json(client.post("/tokenize", request.dump()), "/tokenize")
              .at("tokens")
              .get<std::vector<int32_t>>();
  } catch (const Json::exception&) {
    throw UserError("the server's /tokenize gives no tokens; use --dataset instead");
  } catch (const UserError& error) {
    throw UserError("synthetic prompts need the server's /tokenize: {}", error.what());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  if (ids.empty()) throw UserError("the server's /tokenize gives no tokens; use --dataset instead");
  return ids;
}

LoadOptions load_options(const BenchServeArguments& arguments) {
  LoadOptions options;
  options.url = parse_server_url(arguments.url);
  options.api_key = arguments.api_key;
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  if (std::any_of(options.api_key.begin(), options.api_key.end(), is_control)) {
    throw UsageError("--api-key: a key has no spaces and no control characters");
  }
  options.concurrency = static_cast<size_t>(arguments.concurrency);
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(1e3 * arguments.timeout_s));
  return options;
}

struct Load {
  std::string workload;  // in words
  std::vector<PlannedRequest> plan;
};

Load plan_load(const BenchServeArguments& arguments, LoadClient& client) {
  const double rate = parse_rate(arguments.rate);
  const auto arrivals = arrival_times(arguments.requests, rate, arguments.seed);
  const RequestStyle style = {arguments.model, arguments.seed};
  const std::string output_text = arguments.output_tokens.value_or("128");
  const TokenRange output = parse_token_range(output_text, "--output-tokens");
  if (!arguments.dataset.empty()) {
    const TokenRange limit = arguments.output_tokens ? output : TokenRange{};
    return {
        "dataset " + arguments.dataset,
        plan_dataset(arrivals, read_text(arguments.dataset), arguments.dataset, limit, style)
    };
  }
  const TokenRange input = parse_token_range(arguments.input_tokens, "--input-tokens");
  return {
      fmt::format("{} tokens in, {} out", arguments.input_tokens, output_text),
      plan_synthetic(arrivals, plain_vocabulary(client, arguments.model), input, output, style)
  };
}

int bench_serve(const BenchServeArguments& arguments) {
  const double rate = parse_rate(arguments.rate);
  LoadClient client(load_options(arguments));
  std::atomic<bool> stopping{false};
  const InterruptWatcher watcher([&] {
    if (stopping.exchange(true)) _exit(kExitInterrupted);
    client.stop();
  });
  const Load load = plan_load(arguments, client);
  ProgressBar bar("Answers", "requests");
  const auto records = client.run(load.plan, [&](size_t ended) {
    bar.update(static_cast<double>(ended), static_cast<double>(load.plan.size()));
  });
  bar.clear();

  const LoadFigures figures = load_figures(records);
  const LoadSettings settings = {
      arguments.url,      arguments.model.empty() ? "the first model" : arguments.model,
      load.workload,      rate,
      arguments.requests, arguments.concurrency,
      arguments.seed
  };
  print_text(load_table(settings, figures));
  if (!arguments.json.empty()) {
    write_text(arguments.json, load_json(settings, figures, records).dump(2) + "\n", "--json");
  }
  if (!arguments.html.empty()) {
    write_text(arguments.html, load_page(settings, figures, records), "--html");
  }
  return figures.num_completed > 0 ? 0 : 1;
}

}  // namespace

RunVerb define_bench_serve(CLI::App& command) {
  auto arguments = std::make_shared<BenchServeArguments>();
  command.footer(kExamples);
  command.add_option("url", arguments->url, "The server, such as http://127.0.0.1:8080")
      ->required()
      ->type_name("URL");
  command
      .add_option(
          "--rate", arguments->rate, "Requests a second, on average; inf: all at once (default)"
      )
      ->type_name("X");
  whole_number(
      command.add_option("--requests", arguments->requests, "How many (default 100)"), 1,
      kMostRequests
  );
  whole_number(
      command.add_option(
          "--concurrency", arguments->concurrency,
          "How many are under way at once, at most (default 256)"
      ),
      1, kMostConcurrency
  );
  command
      .add_option(
          "--input-tokens", arguments->input_tokens,
          "Tokens of each synthetic prompt, or a range (default 512)"
      )
      ->type_name("N|A:B");
  command
      .add_option(
          "--output-tokens", arguments->output_tokens,
          "Tokens of each answer, or a range (default 128); of a dataset's answers the most"
      )
      ->type_name("N|A:B");
  command
      .add_option(
          "--dataset", arguments->dataset,
          "Prompts instead of synthetic ones: a JSON object a line, with messages or prompt"
      )
      ->type_name("FILE");
  command.add_option("--api-key", arguments->api_key, "The server's key")->type_name("KEY");
  command.add_option("--model", arguments->model, "Which of the server's models")
      ->type_name("NAME");
  seed_number(command.add_option(
      "--seed", arguments->seed, "Of arrivals, lengths, prompts and answers (default 0)"
  ));
  number_between(
      command.add_option(
          "--timeout", arguments->timeout_s, "Seconds until a request has failed (default 600)"
      ),
      0.001, 86400
  );
  command.add_option("--json", arguments->json, "Write all figures to a file, as JSON")
      ->type_name("FILE");
  command.add_option("--html", arguments->html, "Write a page with plots to a file")
      ->type_name("FILE");
  return [arguments] { return bench_serve(*arguments); };
}

}  // namespace trellis
