// `trellis chat` at a terminal: keys in, lines and answers out, and a terminal left as it was
// found.
#include "apps/model_copy.h"
#include "apps/terminal_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::HasSubstr;

constexpr const char* kPrompt = "\n> ";
constexpr const char* kLeft = "\x1b[D";
constexpr const char* kUp = "\x1b[A";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kCtrlC = "\x03";
constexpr const char* kCtrlD = "\x04";

std::vector<std::string> chat_arguments(std::vector<std::string> more = {}) {
  std::vector<std::string> arguments = {"chat", "-m",     kTinyModel, "--max-tokens",
                                        "4",    "--seed", "1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// The conversation that /save wrote, after every key was typed.
Json messages_after(const std::vector<std::string>& lines) {
  const TemporaryDirectory directory;
  const std::string saved = (directory.path() / "chat.json").string();
  TerminalProgram program(chat_arguments());
  program.read_until(kPrompt);
  for (const std::string& line : lines) {
    program.type(line + "\n");
    program.read_until(kPrompt);
  }
  program.type("/save " + saved + "\n");
  program.read_until("Saved");
  program.read_until(kPrompt);
  program.type(kCtrlD);
  EXPECT_EQ(program.wait(), 0);
  return read_json_file(saved)["messages"];
}

TEST(ChatAtATerminal, KeepsTheConversationOverTurns) {
  const Json messages = messages_after({"Hello!", "/system Be brief.", "And you?", "/retry"});

  ASSERT_EQ(messages.size(), 5U);
  EXPECT_EQ(messages[0], Json({{"role", "system"}, {"content", "Be brief."}}));
  EXPECT_EQ(messages[1]["content"], "Hello!");
  EXPECT_EQ(messages[2]["role"], "assistant");
  EXPECT_EQ(messages[3]["content"], "And you?");
  EXPECT_EQ(messages[4]["role"], "assistant");
}

TEST(ChatAtATerminal, EditsALineWithTheCursorKeys) {
  const std::string edited = std::string("ello") + kHome + "H" + kLeft + kLeft + "Oh. ";

  EXPECT_EQ(messages_after({edited})[0]["content"], "Oh. Hello");
}

TEST(ChatAtATerminal, BringsBackEarlierLines) {
  const Json messages = messages_after({"first", "second", std::string(kUp) + kUp + " again"});

  EXPECT_EQ(messages[4]["content"], "first again");
}

TEST(ChatAtATerminal, TakesAndErasesWholeCharacters) {
  const Json messages = messages_after(
      {"Gr\u00fc\u00dfe, \u4f60\u597d \U0001F600",
       "a\u00df\u4f60\x7f\x7f"
       "b"}
  );

  EXPECT_EQ(messages[0]["content"], "Gr\u00fc\u00dfe, \u4f60\u597d \U0001F600");
  EXPECT_EQ(messages[2]["content"], "ab");
}

TEST(ChatAtATerminal, TakesLinesLongerThanATerminalsBuffer) {
  const TemporaryDirectory directory;
  const std::string name = std::string(200, 'n') + ".json";
  TerminalProgram program(chat_arguments());
  program.read_until(kPrompt);

  program.type("/save " + std::string(5000, ' ') + directory.path().string() + "/" + name + "\n");
  program.read_until("Saved");

  EXPECT_TRUE(std::filesystem::exists(directory.path() / name));
}

TEST(ChatAtATerminal, ABackslashGoesOnWithTheNextLine) {
  TerminalProgram program(chat_arguments());
  program.read_until(kPrompt);
  program.type("one\\\n");
  program.read_until("\n. ");
  program.type("two\n");
  program.read_until(kPrompt);
  const TemporaryDirectory directory;
  program.type("/save " + (directory.path() / "chat.json").string() + "\n");
  program.read_until("Saved");

  EXPECT_EQ(read_json_file(directory.path() / "chat.json")["messages"][0]["content"], "one\ntwo");
}

TEST(ChatAtATerminal, ListsItsCommandsAndKnowsNoOthers) {
  TerminalProgram program(chat_arguments());
  program.read_until(kPrompt);
  program.type("/help\n");
  const std::string help = program.read_until("Ctrl-D");
  program.type("/dance\n");

  for (const char* command : {"/clear", "/system", "/retry", "/save", "/stats"}) {
    EXPECT_THAT(help, HasSubstr(command));
  }
  program.read_until("There is no command /dance");
}

TEST(ChatAtATerminal, CtrlCStopsAnAnswerAndASecondOneLeaves) {
  // Never a stop token, and slow: the whole context would take many seconds.
  TerminalProgram program(
      {"chat", "-m", kBundledModel, "--backend", "reference", "--threads", "1", "--logit-bias",
       "0=-100", "--logit-bias", "2=-100"}
  );
  program.read_until(kPrompt);
  const termios before = program.settings();
  program.type("Tell me a story.\n");
  program.read_until("story.\r\n");
  program.read_until(" ");  // the answer has begun

  program.type(kCtrlC);
  program.read_until("[stopped]");
  program.read_until(kPrompt);
  program.type(kCtrlC);

  EXPECT_EQ(program.wait(), 130);
  EXPECT_EQ(before.c_lflag & ICANON, 0U);
  EXPECT_EQ(program.settings().c_lflag & (ICANON | ECHO | ISIG), ICANON | ECHO | ISIG);
}

TEST(ChatAtATerminal, CtrlCAtThePromptDiscardsTheLineAndASecondOneLeaves) {
  TerminalProgram program(chat_arguments());
  program.read_until(kPrompt);

  program.type(std::string("half a line") + kCtrlC);
  program.read_until("Ctrl-C once more");
  program.read_until(kPrompt);
  program.type("/stats\n");
  program.read_until("context   0 of");  // the line was not sent
  program.read_until(kPrompt);
  program.type(kCtrlC);
  program.read_until("Ctrl-C once more");  // the first again, after a command
  program.read_until(kPrompt);
  program.type(kCtrlC);

  EXPECT_EQ(program.wait(), 130);
}

TEST(ChatAtATerminal, CtrlDLeavesTheTerminalAsItWas) {
  TerminalProgram program(chat_arguments());
  program.read_until(kPrompt);
  program.type(kCtrlD);

  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.settings().c_lflag & (ICANON | ECHO | ISIG), ICANON | ECHO | ISIG);
}

}  // namespace
}  // namespace trellis
