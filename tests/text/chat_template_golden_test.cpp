// Chat templates against texts that transformers rendered (make_chat_template_golden.py), byte for
// byte.
#include "base/error.h"
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace trellis {
namespace {

const std::filesystem::path kGoldenFolder =
    std::filesystem::path(TRELLIS_SOURCE_DIR) / "tests" / "text" / "golden";

struct GoldenTemplate {
  std::string name;
  OrderedJson conversations;
  OrderedJson content;  // name, source, special_tokens, cases
  std::tm now{};
};

void PrintTo(const GoldenTemplate& golden, std::ostream* stream) {
  *stream << golden.name;
}

// Reads the order of keys, too, which the templates print.
std::vector<GoldenTemplate> read_golden(const std::filesystem::path& path) {
  std::ifstream file(path);
  const OrderedJson document = OrderedJson::parse(file);
  std::tm now{};
  const std::string time = document.at("now");
  if (strptime(time.c_str(), "%Y-%m-%dT%H:%M:%S", &now) == nullptr) {
    throw std::runtime_error("unreadable time in " + path.string());
  }
  std::vector<GoldenTemplate> result;
  for (const auto& content : document.at("templates")) {
    result.push_back({content.at("name"), document.at("conversations"), content, now});
  }
  return result;
}

// The folder "local" holds templates whose licences keep them out of the repository; see the
// script.
std::vector<GoldenTemplate> all_golden_templates() {
  auto result = read_golden(kGoldenFolder / "chat_templates.json");
  const auto local = kGoldenFolder / "local" / "chat_templates.json";
  if (std::filesystem::exists(local)) {
    for (auto& golden : read_golden(local)) result.push_back(std::move(golden));
  }
  return result;
}

std::string test_name(const testing::TestParamInfo<GoldenTemplate>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

class ChatTemplateGolden : public testing::TestWithParam<GoldenTemplate> {};

TEST_P(ChatTemplateGolden, RendersAsTransformersDoes) {
  const GoldenTemplate& golden = GetParam();
  const ChatTemplate chat_template(
      golden.content.at("source"), golden.content.at("special_tokens"), golden.now
  );

  for (const auto& test_case : golden.content.at("cases")) {
    const std::string name = test_case.at("conversation");
    const auto& conversation = golden.conversations.at(name);
    SCOPED_TRACE(name + " " + test_case.at("extra").dump());
    const auto render = [&] {
      return chat_template.render(
          conversation.at("messages"), conversation.at("tools"),
          test_case.at("add_generation_prompt"), test_case.at("extra")
      );
    };
    if (test_case.contains("text")) {
      std::string text;
      ASSERT_NO_THROW(
          try { text = render(); } catch (const UserError& error) {
            ADD_FAILURE() << error.what();
            throw;
          }
      );
      EXPECT_EQ(text, test_case.at("text").get<std::string>());
    } else if (test_case.contains("raised")) {
      try {
        ADD_FAILURE() << "rendered: " << render();
      } catch (const UserError& error) {
        EXPECT_EQ(error.what(), test_case.at("raised").get<std::string>());
      }
    } else {
      EXPECT_THROW(render(), UserError) << test_case.at("fails");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Templates, ChatTemplateGolden, testing::ValuesIn(all_golden_templates()), test_name
);

}  // namespace
}  // namespace trellis
