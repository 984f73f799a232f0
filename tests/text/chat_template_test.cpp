// Chat templates at their limits: what damaged, endless and hostile ones do.
#include "text/chat_template.h"

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace trellis {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

const OrderedJson kMessages = OrderedJson::array({{{"role", "user"}, {"content", "hi"}}});

std::string render(const std::string& source) {
  return ChatTemplate(source).render(kMessages, nullptr, true);
}

TEST(ChatTemplate, RefusesASourceThatDoesNotParseAndNamesTheLine) {
  EXPECT_THAT(
      [] { ChatTemplate("fine\n{% for m in %}"); },
      ThrowsMessage<UserError>(AllOf(HasSubstr("chat template"), HasSubstr("line 2")))
  );
}

TEST(ChatTemplate, RefusesAnUnknownFunction) {
  EXPECT_THAT(
      [] { render("{{ open('file') }}"); }, ThrowsMessage<UserError>(HasSubstr("unknown function"))
  );
}

TEST(ChatTemplate, StopsAnEndlessTemplate) {
  const std::string endless =
      "{% for a in range(99999) %}{% for b in range(99999) %}{% set x = a * b %}{% endfor %}"
      "{% endfor %}";

  EXPECT_THAT([&] { render(endless); }, ThrowsMessage<UserError>(HasSubstr("does not end within")));
}

TEST(ChatTemplate, StopsARecursionWithoutEnd) {
  EXPECT_THROW(render("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), UserError);
}

TEST(ChatTemplate, StopsOutputWithoutBound) {
  const std::string flood =
      "{% set s = 'x' * 1000000 %}{% for a in range(1000) %}{{ s }}{% endfor %}";

  EXPECT_THAT([&] { render(flood); }, ThrowsMessage<UserError>(HasSubstr("exceeds")));
}

/// Bytes of this process that are in memory at most, from now on.
class PeakMemory {
 public:
  PeakMemory() {
    std::ofstream("/proc/self/clear_refs") << "5";
    start_ = read();
  }
  int64_t growth_mib() const { return (read() - start_) / 1024; }

 private:
  static int64_t read() {
    std::ifstream status("/proc/self/status");
    std::string word;
    while (status >> word && word != "VmHWM:") {
    }
    int64_t kib = 0;
    status >> kib;
    return kib;
  }
  int64_t start_;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kMaxGrowthMib = 3000;  // they keep freed memory back, and notes about all of it
#else
constexpr int64_t kMaxGrowthMib = 600;
#endif

struct HostileTemplate {
  const char* name;
  std::string source;
  const char* complaint;
};

void PrintTo(const HostileTemplate& hostile, std::ostream* stream) {
  *stream << hostile.name;
}

/// Repeats a statement that uses ns, 100000 times.
std::string repeat(const std::string& statement) {
  return "{% set ns = namespace(v='0123456789abcdef', l=[]) %}{% for i in range(100000) %}" +
         statement + "{% endfor %}";
}

class HostileTemplates : public testing::TestWithParam<HostileTemplate> {};

TEST_P(HostileTemplates, EndInAnErrorWithBoundedMemory) {
  const PeakMemory peak;

  EXPECT_THAT(
      [] { render(GetParam().source); },
      // On a slow machine the time may be over before the memory is.
      ThrowsMessage<UserError>(AllOf(
          HasSubstr("chat template"),
          AnyOf(HasSubstr(GetParam().complaint), HasSubstr("does not end within 2 s"))
      ))
  );

  EXPECT_LT(peak.growth_mib(), kMaxGrowthMib);
}

INSTANTIATE_TEST_SUITE_P(
    Growth, HostileTemplates,
    testing::Values(
        HostileTemplate{"DoublingByTilde", repeat("{% set ns.v = ns.v ~ ns.v %}"), "256 MiB"},
        HostileTemplate{"DoublingByPlus", repeat("{% set ns.v = ns.v + ns.v %}"), "256 MiB"},
        HostileTemplate{
            "DoublingByReplace", repeat("{% set ns.v = ns.v | replace('0', ns.v) %}"), "256 MiB"
        },
        HostileTemplate{
            "DoublingByAMethod", repeat("{% set ns.v = ns.v.replace('0', ns.v) %}"), "256 MiB"
        },
        HostileTemplate{
            "DoublingByJoin", repeat("{% set ns.v = [ns.v, ns.v] | join(ns.v) %}"), "256 MiB"
        },
        HostileTemplate{
            "DoublingByAMacro",
            "{% macro m(s) %}{{ s }}{{ s }}{% endmacro %}" + repeat("{% set ns.v = m(ns.v) %}"),
            "256 MiB"
        },
        HostileTemplate{
            "ManyLargeStrings", repeat("{% set ns.l = ns.l + ['x' * 1000000 ~ i] %}"), "256 MiB"
        },
        HostileTemplate{
            "CapturedText", "{% set s %}" + repeat(std::string(100000, 'x')) + "{% endset %}",
            "256 MiB"
        },
        HostileTemplate{"RepeatedString", "{{ 'x' * 10**9 }}", "too large"},
        HostileTemplate{
            "RepeatedConstants", "{{ 'x' * 90000000 ~ 'x' * 90000000 ~ 'x' * 90000000 }}", "256 MiB"
        },
        HostileTemplate{"LongRange", "{% for i in range(10**9) %}{% endfor %}", "too many"},
        HostileTemplate{"ListOfARepeatedList", "{{ ([1] * 10**12) | list }}", "256 MiB"},
        HostileTemplate{"JoinOfARepeatedList", "{{ (['abc' * 100] * 10**12) | join }}", "256 MiB"},
        HostileTemplate{"WideFormat", "{{ '%1000000000d' | format(1) }}", "256 MiB"},
        HostileTemplate{"WideIndent", "{{ 'x' | indent(10**12) }}", "256 MiB"},
        HostileTemplate{"FilledBatches", "{{ [1] | batch(10**11, 'x') | list }}", "256 MiB"},
        HostileTemplate{"SumWithoutEnd", "{{ ([1] * 10**15) | sum }}", "does not end within"}
    ),
    [](const auto& info) { return std::string(info.param.name); }
);

// Values are destroyed, compared and printed by recursion.
TEST(ChatTemplate, SurvivesValuesNestedAsDeeplyAsItsStepsAllow) {
  const std::string nested =
      "{% set ns = namespace(l=[]) %}{% for i in range(6) %}{% for j in range(99999) %}"
      "{% set ns.l = [ns.l] %}{% endfor %}{% endfor %}";

  EXPECT_EQ(render(nested + "ok"), "ok");
  for (const char* use : {"{{ ns.l ~ '' }}", "{{ ns.l | tojson }}", "{{ ns.l }}"}) {
    try {
      EXPECT_THAT(render(nested + use), testing::StartsWith("[[[[")) << use;
    } catch (const UserError& error) {
      EXPECT_THAT(error.what(), HasSubstr("too deeply")) << use;
    }
  }
}

TEST(ChatTemplate, CountsEmptyTextAsPythonDoes) {
  EXPECT_EQ(render("{{ 'añb'.count('') }} {{ 'banana'.count('an') }}"), "4 2");
}

TEST(ChatTemplate, RefusesToTryAgainWhatItHadToGiveUp) {
  const ChatTemplate doubling(
      "{% if messages | length > 1 %}" + repeat("{% set ns.v = ns.v ~ ns.v %}") + "{% endif %}ok"
  );
  OrderedJson two = kMessages;
  two.push_back(kMessages[0]);

  EXPECT_EQ(doubling.render(kMessages, nullptr, true), "ok");
  EXPECT_THROW(doubling.render(two, nullptr, true), UserError);
  EXPECT_THAT(
      [&] { doubling.render(kMessages, nullptr, true); },
      ThrowsMessage<UserError>(HasSubstr("256 MiB"))
  );
}

TEST(ChatTemplate, RefusesAnExpressionNestedTooDeeply) {
  const std::string nested =
      "{{ " + std::string(100000, '(') + "1" + std::string(100000, ')') + " }}";

  EXPECT_THROW(ChatTemplate{nested}, UserError);
}

TEST(ChatTemplate, RefusesASourceBeyondItsLimit) {
  EXPECT_THAT(
      [] { ChatTemplate(std::string((1 << 20) + 1, 'x')); },
      ThrowsMessage<UserError>(HasSubstr("limit"))
  );
}

TEST(ChatTemplate, RefusesTextThatIsNotUtf8) {
  EXPECT_THROW(ChatTemplate("\xFF"), UserError);
  const OrderedJson messages = OrderedJson::array({{{"role", "user"}, {"content", "\xC3"}}});
  EXPECT_THROW(ChatTemplate("{{ messages }}").render(messages, nullptr, true), UserError);
}

TEST(ChatTemplate, RefusesMessagesThatAreNoArray) {
  EXPECT_THAT(
      [] { ChatTemplate("x").render("hi", nullptr, true); },
      ThrowsMessage<UserError>(HasSubstr("must be an array"))
  );
}

TEST(ChatTemplate, GivesExtraVariablesPrecedenceOverSpecialTokens) {
  const ChatTemplate chat_template(
      "{{ bos_token }}|{{ eos_token }}", {{"bos_token", "<s>"}, {"eos_token", nullptr}}
  );

  EXPECT_EQ(chat_template.render(kMessages, nullptr, false), "<s>|");
  EXPECT_EQ(chat_template.render(kMessages, nullptr, false, {{"bos_token", "B"}}), "B|");
}

TEST(ChatTemplate, PrintsTheKeysOfOrderedJsonInTheirOrderAndThoseOfJsonSorted) {
  const ChatTemplate chat_template("{{ messages[0] | tojson }}");
  const std::string text = R"([{"role": "user", "content": 1, "a": [true, 1.0]}])";

  EXPECT_EQ(
      chat_template.render(OrderedJson::parse(text), nullptr, false),
      R"({"role": "user", "content": 1, "a": [true, 1.0]})"
  );
  EXPECT_EQ(
      chat_template.render(Json::parse(text), nullptr, false),
      R"({"a": [true, 1.0], "content": 1, "role": "user"})"
  );
}

TEST(ChatTemplate, CanBeRenderedAgainAfterAFailure) {
  const ChatTemplate chat_template("{% if fail %}{{ raise_exception('no') }}{% endif %}ok");

  EXPECT_THAT(
      [&] { chat_template.render(kMessages, nullptr, false, {{"fail", true}}); },
      ThrowsMessage<UserError>("no")
  );
  EXPECT_EQ(chat_template.render(kMessages, nullptr, false), "ok");
}

TEST(ChatTemplate, FormatsTheFixedTime) {
  std::tm time{};
  time.tm_year = 2031 - 1900;
  time.tm_mon = 10;
  time.tm_mday = 5;
  const ChatTemplate chat_template("{{ strftime_now('%Y-%m-%d') }}", OrderedJson::object(), time);

  EXPECT_EQ(chat_template.render(kMessages, nullptr, false), "2031-11-05");
}

}  // namespace
}  // namespace trellis
