#include "apps/trellis/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>

namespace trellis {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLineInterval{10};
constexpr int kMaxColumns = 100;
constexpr int kMaxBarColumns = 30;
constexpr int kMinBarColumns = 6;
constexpr double kMinRateTime_s = 0.5;  // before that, rate and time left mean nothing
constexpr std::chrono::seconds kSampleInterval{1};
constexpr size_t kMaxSamples = 60;

int terminal_columns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::min<int>(size.ws_col, kMaxColumns);
}

std::string scaled(double value, double base, std::span<const char* const> prefixes) {
  size_t power = 0;
  while (std::abs(value) >= base && power + 1 < prefixes.size()) {
    value /= base;
    ++power;
  }
  // Whole numbers below the first prefix are counts and stand as they are.
  const bool whole = power == 0 && value == std::floor(value);
  return fmt::format("{:.{}f} {}", value, whole ? 0 : 1, prefixes[power]);
}

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(std::min(seconds, 1e12)));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string format_quantity(double value, const std::string& unit) {
  static constexpr const char* kBinary[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
  static constexpr const char* kDecimal[] = {"", "k", "M", "G", "T", "P"};
  const bool bytes = unit == "B";
  std::string text = bytes ? scaled(value, 1024, kBinary) : scaled(value, 1000, kDecimal);
  if (bytes) return text + "B";
  if (text.back() != ' ' && !unit.empty()) text += ' ';
  text += unit;
  while (text.back() == ' ') text.pop_back();
  return text;
}

std::string format_progress(const ProgressState& state, int columns) {
  std::string tail;
  if (state.rate > 0) {
    tail = "  " + format_quantity(state.rate, state.unit) + "/s";
    if (state.total > 0)
      tail += "  " + format_duration((state.total - state.done) / state.rate) + " left";
  }
  if (state.total <= 0) {
    const std::string line =
        fmt::format("{}  {}{}", state.label, format_quantity(state.done, state.unit), tail);
    return line.substr(0, static_cast<size_t>(columns));
  }
  const double fraction = std::clamp(state.done / state.total, 0.0, 1.0);
  const std::string percentage = fmt::format("{:3.0f}%", std::floor(100 * fraction));
  const int used = static_cast<int>(state.label.size() + percentage.size() + tail.size()) + 4;
  const int bar_columns = std::min(columns - used, kMaxBarColumns);
  if (bar_columns < kMinBarColumns) {
    const std::string line = fmt::format("{} {}{}", state.label, percentage, tail);
    return line.substr(0, static_cast<size_t>(columns));
  }
  const auto filled = static_cast<size_t>(std::floor(fraction * bar_columns));
  const std::string bar =
      std::string(filled, '#') + std::string(static_cast<size_t>(bar_columns) - filled, '.');
  return fmt::format("{} [{}] {}{}", state.label, bar, percentage, tail);
}

ProgressBar::ProgressBar(std::string label, std::string unit)
    : terminal_(isatty(STDERR_FILENO) != 0), last_(Clock::now()) {
  state_.label = std::move(label);
  state_.unit = std::move(unit);
  samples_.push_back({last_, 0});
}

ProgressBar::~ProgressBar() {
  clear();
}

void ProgressBar::update(double done, double total) {
  const Clock::time_point now = Clock::now();
  const double rate = recent_rate(now, done);
  if (now - last_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kLineInterval))) return;
  last_ = now;
  state_.done = done;
  state_.total = total;
  state_.rate = rate;
  if (terminal_) {
    // Back to the first column, and wipe what the last line leaves behind.
    fmt::print(stderr, "\r{}\x1b[K", format_progress(state_, terminal_columns() - 1));
    drawn_ = true;
  } else {
    fmt::print(stderr, "{}\n", format_progress(state_, kMaxColumns));
  }
  std::fflush(stderr);
}

double ProgressBar::recent_rate(Clock::time_point now, double done) {
  if (now - samples_.back().time >= kSampleInterval) samples_.push_back({now, done});
  if (samples_.size() > kMaxSamples) samples_.pop_front();
  const Sample& oldest = samples_.front();
  const double seconds = std::chrono::duration<double>(now - oldest.time).count();
  return seconds < kMinRateTime_s ? 0 : std::max(0.0, done - oldest.done) / seconds;
}

void ProgressBar::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace trellis
