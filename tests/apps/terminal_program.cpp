#include "apps/terminal_program.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace trellis {
namespace {

constexpr int kPatience_ms = 60'000;

}  // namespace

TerminalProgram::TerminalProgram(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {TRELLIS_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const winsize size = {24, 80, 0, 0};

  child_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
  if (child_ < 0) throw std::runtime_error("forkpty failed");
  if (child_ == 0) {
    ::setenv("TERM", "xterm", 1);
    ::setenv("LC_ALL", "C", 1);  // text is UTF-8 whatever the locale says
    ::execv(argv[0], argv.data());
    _exit(127);
  }
}

TerminalProgram::~TerminalProgram() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::close(terminal_);
}

void TerminalProgram::type(std::string_view keys) {
  while (!keys.empty()) {
    pollfd events = {terminal_, POLLIN | POLLOUT, 0};
    if (::poll(&events, 1, kPatience_ms) <= 0) throw std::runtime_error("nobody reads the keys");
    // Also reads: a program that cannot print would not read either.
    if ((events.revents & POLLIN) != 0 && !read_some(0)) return;
    if ((events.revents & POLLOUT) == 0) continue;
    const ssize_t written = ::write(terminal_, keys.data(), std::min<size_t>(keys.size(), 256));
    if (written < 0) throw std::runtime_error("the terminal is gone");
    keys.remove_prefix(static_cast<size_t>(written));
  }
}

std::string TerminalProgram::read_until(std::string_view end) {
  size_t found = 0;
  while ((found = output_.find(end, seen_)) == std::string::npos) {
    if (read_some(kPatience_ms)) continue;
    ADD_FAILURE() << "\"" << end << "\" did not come; there came\n" << output_.substr(seen_);
    return "";
  }
  const std::string text = output_.substr(seen_, found + end.size() - seen_);
  seen_ = found + end.size();
  return text;
}

int TerminalProgram::wait() {
  while (read_some(kPatience_ms)) {
  }
  int status = 0;
  if (::waitpid(child_, &status, 0) != child_) throw std::runtime_error("waitpid failed");
  child_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

termios TerminalProgram::settings() const {
  termios settings{};
  if (::tcgetattr(terminal_, &settings) != 0) throw std::runtime_error("tcgetattr failed");
  return settings;
}

bool TerminalProgram::read_some(int timeout_ms) {
  pollfd events = {terminal_, POLLIN, 0};
  if (::poll(&events, 1, timeout_ms) <= 0) return false;
  char piece[4096];
  const ssize_t count = ::read(terminal_, piece, sizeof(piece));
  if (count <= 0) return false;  // EIO: the program has closed its end
  output_.append(piece, static_cast<size_t>(count));
  return true;
}

}  // namespace trellis
