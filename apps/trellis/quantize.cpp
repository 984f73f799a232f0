// `trellis quantize`: a Hugging Face directory to EXL3. Ctrl-C keeps what is finished; the same
// command goes on from it.
#include "apps/trellis/interrupt_watcher.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/progress_bar.h"
#include "apps/trellis/verbs.h"
#include "convert/model_linears.h"
#include "convert/quantize_model.h"
#include "exl3/codebook.h"
#include "model/registry.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>

namespace trellis {
namespace {

constexpr int kExitInterrupted = 130;  // what shells report for a program ended by Ctrl-C

constexpr const char* kExamples =
    "Examples:\n"
    "  trellis quantize models/Llama-3.2-1B Llama-3.2-1B-exl3-4.0bpw\n"
    "  trellis quantize IN OUT --bits 3.5 --head-bits 8 --threads 4\n"
    "Ctrl-C keeps the layers that are finished; the same command goes on from them.";

struct QuantizeArguments {
  std::string input;
  std::string output;
  double bits = 4;
  int head_bits = 6;
  std::string codebook = "mul1";
  int num_threads = 0;
  uint64_t seed = 0;
  bool json = false;
};

QuantizeOptions quantize_options(const QuantizeArguments& arguments) {
  QuantizeOptions options;
  options.input = arguments.input;
  options.output = arguments.output;
  options.bits = arguments.bits;
  options.head_bits = arguments.head_bits;
  options.codebook = parse_codebook(arguments.codebook);
  options.threads = arguments.num_threads;
  options.seed = arguments.seed;
  return options;
}

/// Weights that will be quantized: the unit of progress.
double count_weights(const QuantizeArguments& arguments) {
  const ModelConfig config = read_model_config(arguments.input);
  double weights = 0;
  for (const ModelLinear& linear :
       list_linears(make_model_spec(config), config, arguments.bits, arguments.head_bits)) {
    weights += static_cast<double>(linear.num_weights());
  }
  return weights;
}

OrderedJson report_json(const QuantizeArguments& arguments, const QuantizeReport& report) {
  OrderedJson document;
  document["input"] = arguments.input;
  document["output"] = arguments.output;
  document["bits"] = arguments.bits;
  document["head_bits"] = arguments.head_bits;
  document["codebook"] = arguments.codebook;
  document["bits_per_weight"] = report.bits_per_weight;
  document["mean_relative_error"] = report.mean_relative_error;
  document["input_bytes"] = report.input_bytes;
  document["output_bytes"] = report.output_bytes;
  document["seconds"] = report.seconds;
  document["linears"] = OrderedJson::array();
  for (const LinearReport& linear : report.linears) {
    document["linears"].push_back(
        {{"name", linear.key},
         {"bits", linear.bits},
         {"in", linear.in},
         {"out", linear.out},
         {"gain", linear.gain},
         {"relative_error", linear.relative_error},
         {"seconds", linear.seconds},
         {"reused", linear.reused}}
    );
  }
  return document;
}

void print_report(const QuantizeArguments& arguments, const QuantizeReport& report) {
  std::string text;
  for (const LinearReport& linear : report.linears) {
    text += fmt::format(
        "  {:<40} {} bits  {:>6} x {:<6} relative error {:.5f}{}\n", linear.key, linear.bits,
        linear.in, linear.out, linear.relative_error, linear.reused ? "  (done before)" : ""
    );
  }
  text += fmt::format(
      "{}: {:.2f} bits per weight, head {}, {}; relative error {:.5f}; {} from {} in {}\n",
      arguments.output, report.bits_per_weight, arguments.head_bits, arguments.codebook,
      report.mean_relative_error, format_quantity(static_cast<double>(report.output_bytes), "B"),
      format_quantity(static_cast<double>(report.input_bytes), "B"), format_duration(report.seconds)
  );
  print_text(text);
}

int quantize(const QuantizeArguments& arguments) {
  require_directory(arguments.input);
  const double weights = count_weights(arguments);
  if (!std::filesystem::exists(std::filesystem::path(arguments.input) / "tokenizer.json")) {
    print_note(fmt::format(
        "[{} has no tokenizer.json; the result needs one before it can generate]\n", arguments.input
    ));
  }
  std::atomic<bool> cancel{false};
  // Stops at the next sign of progress; whoever cannot wait for that presses again.
  const InterruptWatcher watcher([&cancel] {
    if (cancel.exchange(true)) _exit(kExitInterrupted);
  });
  ProgressBar bar("Quantizing", "weights");
  const QuantizeReport report = quantize_model(
      quantize_options(arguments),
      [&](const QuantizeProgress& progress) { bar.update(progress.done * weights, weights); },
      &cancel
  );
  bar.clear();
  if (report.cancelled) {
    print_note(fmt::format(
        "trellis: interrupted after {} layers; the same command goes on from {}.partial, which may "
        "also be deleted\n",
        report.linears.size(), arguments.output
    ));
    return kExitInterrupted;
  }
  if (arguments.json) {
    print_json(report_json(arguments, report));
  } else {
    print_report(arguments, report);
  }
  return 0;
}

}  // namespace

RunVerb define_quantize(CLI::App& command) {
  auto arguments = std::make_shared<QuantizeArguments>();
  command.footer(kExamples);
  command.add_option("IN", arguments->input, "Hugging Face directory in fp16, bf16 or fp32")
      ->type_name("")
      ->required();
  command
      .add_option("OUT", arguments->output, "Directory to make; OUT.partial holds it until then")
      ->type_name("")
      ->required();
  number_between(
      command.add_option(
          "--bits", arguments->bits, "Bits per weight, 1 to 8; with a fraction some layers get more"
      ),
      1, 8
  )
      ->capture_default_str();
  one_of(
      command.add_option(
          "--head-bits", arguments->head_bits, "Bits of the output head; 16 = as it is"
      ),
      {"1", "2", "3", "4", "5", "6", "7", "8", "16"}
  )
      ->type_name("N")
      ->capture_default_str();
  add_codebook_option(command, arguments->codebook);
  add_threads_option(command, arguments->num_threads);
  seed_number(command.add_option(
                  "--seed", arguments->seed,
                  "Of the random signs; the same seed gives the same bytes"
              ))
      ->capture_default_str();
  add_json_flag(command, arguments->json);
  return [arguments] { return quantize(*arguments); };
}

}  // namespace trellis
