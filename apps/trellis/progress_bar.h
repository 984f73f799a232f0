// Progress on stderr: a bar that redraws itself on a terminal, a line now and then anywhere else.
#pragma once

#include <chrono>
#include <deque>
#include <string>

namespace trellis {

/// "0.4 s", "12 s", "3:07", "2:03:07". Negative or not finite: "?".
std::string format_duration(double seconds);

/// "1.5 MiB" for unit "B", else decimal prefixes: "1.5 M tokens". The unit may be empty.
std::string format_quantity(double value, const std::string& unit);

/// What a bar shows.
struct ProgressState {
  std::string label;
  std::string unit;
  double done = 0;
  double total = 0;  // 0: unknown
  double rate = 0;   // per second; 0: not known yet
};

/// One line of at most `columns` characters: label, bar, percentage, rate and time left.
std::string format_progress(const ProgressState& state, int columns);

/// Used by one thread. Its destructor wipes a bar that is on the screen.
class ProgressBar {
 public:
  /// unit: "B" for bytes, else a plural such as "tokens".
  ProgressBar(std::string label, std::string unit);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Shows the state if enough time has passed since the last.
  void update(double done, double total);
  /// Wipes the bar, so that other lines can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  struct Sample {
    Clock::time_point time;
    double done;
  };

  /// The rate over the last while: what was skipped or slow long ago says nothing about the time
  /// left.
  double recent_rate(Clock::time_point now, double done);

  ProgressState state_;
  bool terminal_;
  bool drawn_ = false;
  std::deque<Sample> samples_;  // the oldest first
  Clock::time_point last_;
};

}  // namespace trellis
