// `trellis gpu-check`: the one command for a machine with a GPU. Checks every op and whole models
// on it, measures speeds, and writes down what it found. One failure does not end it.
#include "apps/trellis/option_values.h"
#include "apps/trellis/output.h"
#include "apps/trellis/verbs.h"
#if TRELLIS_GPU_CHECK
#include "apps/trellis/gpu_check/machine.h"
#include "apps/trellis/gpu_check/sections.h"
#include "apps/trellis/model_arguments.h"
#include "apps/trellis/shapes.h"

#include <fmt/ranges.h>

#include <algorithm>
#endif

namespace trellis {

#if TRELLIS_GPU_CHECK
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  trellis gpu-check --out report --models tests/data/models/tiny-1m models/*\n"
    "  trellis gpu-check --out report --only decode,batch\n"
    "Writes DIR/report.json and DIR/report.md after each section, so that what is known is not "
    "lost\n"
    "when the time ends. The exit code is 1 if any check failed.";

struct Section {
  const char* name;
  void (*run)(const GpuCheckOptions& options, GpuReport& report);
};

constexpr Section kSections[] = {
    // Checks.
    {"plan", show_plan},
    {"ops", check_ops},
    {"models", check_models},
    {"determinism", check_determinism},
    // Figures.
    {"decode", measure_decoding},
    {"batch", measure_batches},
    {"prompt", measure_prompts},
    {"long", measure_long_context},
    {"load", measure_load},
    // Checks that take long.
    {"sanitizer", check_sanitizer},
};

struct Arguments {
  GpuCheckOptions options;
  std::string out;
  std::vector<std::string> only;
};

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Section& section : kSections) names.emplace_back(section.name);
  return names;
}

int gpu_check(const Arguments& arguments) {
  for (const std::string& directory : arguments.options.models) require_directory(directory);
  GpuReport report(describe_machine(*create_backend(arguments.options.backend, {})));
  report.write(arguments.out);
  for (const Section& section : kSections) {
    const auto& only = arguments.only;
    const bool wanted =
        only.empty() || std::find(only.begin(), only.end(), section.name) != only.end();
    if (!wanted) continue;
    report.section(section.name, [&] { section.run(arguments.options, report); });
    report.write(arguments.out);
  }
  print_text(fmt::format(
      "{} of {} checks passed; {}/report.md\n", report.num_checks() - report.num_failed(),
      report.num_checks(), arguments.out
  ));
  return report.num_failed() == 0 ? 0 : 1;
}

}  // namespace

RunVerb define_gpu_check(CLI::App& command) {
  auto arguments = std::make_shared<Arguments>();
  command.footer(kExamples);
  command.add_option("--out", arguments->out, "Folder for the report")
      ->type_name("DIR")
      ->required();
  command.add_option("--models", arguments->options.models, "Model directories to check")
      ->type_name("DIR");
  one_of(
      command.add_option("--only", arguments->only, "Sections to run; all by default"),
      section_names()
  )
      ->delimiter(',');
  one_of(
      command.add_option(
          "--shape", arguments->options.shape, "Model shape, of random weights, to measure"
      ),
      shape_names()
  )
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option(
          "--cases", arguments->options.cases,
          "Op cases to check: a regular expression found in \"<group>: <case>\""
      )
      ->type_name("PATTERN");
  one_of(
      command.add_option("--backend", arguments->options.backend, "What is checked"),
      {"cuda", "cpu", "reference"}
  )
      ->capture_default_str();
  return [arguments] { return gpu_check(*arguments); };
}

#else

RunVerb define_gpu_check(CLI::App& command) {
  command.allow_extras();
  return []() -> int {
    throw UserError(
        "this build of trellis has no gpu-check, whose cases are those of the tests; configure it "
        "with TRELLIS_BUILD_TESTS"
    );
  };
}

#endif

}  // namespace trellis
