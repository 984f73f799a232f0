// Chat templates at their limits: what damaged, endless and hostile ones do.
#include "text/chat_template.h"

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::AllOf;
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
