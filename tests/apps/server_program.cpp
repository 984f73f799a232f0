#include "apps/server_program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <utility>

namespace trellis {
namespace {

constexpr int kMostStartMs = 120'000;  // under the sanitizers, on a busy machine

/// Up to the end of a line, of the stream, or of the time.
std::string read_line(int descriptor) {
  std::string line;
  char byte = 0;
  pollfd readable{.fd = descriptor, .events = POLLIN, .revents = 0};
  while (poll(&readable, 1, kMostStartMs) == 1 && read(descriptor, &byte, 1) == 1 && byte != '\n') {
    line.push_back(byte);
  }
  return line;
}

}  // namespace

ServerProgram::ServerProgram(const std::vector<std::string>& arguments) {
  const int log = open(log_file_.c_str(), O_WRONLY | O_CREAT, 0600);
  int out[2];
  EXPECT_EQ(pipe(out), 0);
  std::vector<std::string> words = {TRELLIS_PROGRAM, "serve", "--port", "0"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  process_ = fork();
  if (process_ == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(out[0]);
    execv(TRELLIS_PROGRAM, argv.data());
    _exit(127);
  }
  close(out[1]);
  close(log);
  first_line_ = read_line(out[0]);
  close(out[0]);
  const size_t colon = first_line_.rfind(':');
  if (first_line_.find("://") == std::string::npos) {
    ADD_FAILURE() << "it did not start: " << first_line_ << "\n" << this->log();
  } else {
    port_ = static_cast<uint16_t>(std::stoi(first_line_.substr(colon + 1)));
  }
}

ServerProgram::~ServerProgram() {
  if (process_ > 0) {
    signal(SIGKILL);
    wait();
  }
}

void ServerProgram::signal(int number) const {
  kill(process_, number);
}

int ServerProgram::wait() {
  int status = 0;
  waitpid(std::exchange(process_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string ServerProgram::log() const {
  std::ostringstream text;
  text << std::ifstream(log_file_).rdbuf();
  return text.str();
}

}  // namespace trellis
