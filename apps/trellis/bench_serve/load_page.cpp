// The page of a load test: its table, and two plots as SVG.
#include "apps/trellis/bench_serve/load_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace trellis {
namespace {

using Points = std::vector<std::pair<double, double>>;

constexpr double kWidth = 720;
constexpr double kHeight = 300;
constexpr double kLeft = 64;  // room for the numbers of the axis
constexpr double kBottom = 40;
constexpr double kMargin = 12;
constexpr int kMostTicks = 6;

struct Series {
  const char* name;
  const char* css_class;
  Points points;
};

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '&':
        result += "&amp;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

/// The distance of ticks: 1, 2 or 5 times a power of ten.
double tick_step(double most) {
  const double least = most / kMostTicks;
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= least) return factor * power;
  }
  return 10.0 * power;
}

/// Axes from 0 on, and what is drawn between them.
class Plot {
 public:
  Plot(const char* title, const char* x_label, const char* y_label, double x_most, double y_most)
      : x_most_(x_most > 0 ? x_most : 1), y_most_(y_most > 0 ? y_most : 1) {
    svg_ = fmt::format(
        "<h2>{}</h2>\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n", title, kWidth,
        kHeight, title
    );
    for (double x = 0; x <= x_most_; x += tick_step(x_most_)) {
      svg_ += fmt::format(
          "<line class=\"grid\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>"
          "<text x=\"{0:.1f}\" y=\"{3:.1f}\" text-anchor=\"middle\">{4:g}</text>\n",
          at_x(x), at_y(0), at_y(y_most_), at_y(0) + 16, x
      );
    }
    for (double y = 0; y <= y_most_ * 1.0001; y += tick_step(y_most_)) {
      svg_ += fmt::format(
          "<line class=\"grid\" x1=\"{1:.1f}\" x2=\"{2:.1f}\" y1=\"{0:.1f}\" y2=\"{0:.1f}\"/>"
          "<text x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:g}</text>\n",
          at_y(y), at_x(0), at_x(x_most_), at_x(0) - 6, at_y(y) + 4, y
      );
    }
    svg_ += fmt::format(
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n"
        "<text x=\"14\" y=\"{:.1f}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {:.1f})\">"
        "{}</text>\n",
        at_x(x_most_ / 2), kHeight - 6, x_label, at_y(y_most_ / 2), at_y(y_most_ / 2), y_label
    );
  }

  void dots(const Series& series) {
    for (const auto& [x, y] : series.points) {
      svg_ += fmt::format(
          "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"/>\n", series.css_class,
          at_x(x), at_y(y)
      );
    }
    add_to_legend(series);
  }

  void line(const Series& series) {
    svg_ += fmt::format("<polyline class=\"{}\" points=\"", series.css_class);
    for (const auto& [x, y] : series.points)
      svg_ += fmt::format("{:.1f},{:.1f} ", at_x(x), at_y(y));
    svg_ += "\"/>\n";
    add_to_legend(series);
  }

  std::string html() && { return svg_ + "</svg>\n<p>" + legend_ + "</p>\n"; }

 private:
  double at_x(double x) const { return kLeft + x / x_most_ * (kWidth - kLeft - kMargin); }
  double at_y(double y) const {
    return kHeight - kBottom - y / y_most_ * (kHeight - kBottom - kMargin);
  }
  void add_to_legend(const Series& series) {
    legend_ += fmt::format("<span class=\"{}\">●</span> {} &nbsp; ", series.css_class, series.name);
  }

  double x_most_;
  double y_most_;
  std::string svg_;
  std::string legend_;
};

/// Latencies by the time of arrival.
std::pair<Series, Series> latencies(std::span<const RequestRecord> records) {
  Series first{"to the first token", "first", {}};
  Series whole{"end to end", "whole", {}};
  for (const RequestRecord& record : records) {
    if (!record.completed) continue;
    whole.points.emplace_back(record.arrival_s, record.end_s - record.arrival_s);
    if (record.text_s.empty()) continue;
    first.points.emplace_back(record.arrival_s, record.text_s.front() - record.arrival_s);
  }
  return {std::move(first), std::move(whole)};
}

double most_of(const Points& points, double (*value)(const std::pair<double, double>&)) {
  double most = 0;
  for (const auto& point : points) most = std::max(most, value(point));
  return most;
}

/// Which share of the latencies is at most x.
Series shares(const Series& series) {
  std::vector<double> values;
  for (const auto& [arrival, latency] : series.points) values.push_back(latency);
  std::sort(values.begin(), values.end());
  Series result{series.name, series.css_class, {{0, 0}}};
  for (size_t i = 0; i < values.size(); ++i) {
    const auto count = static_cast<double>(values.size());
    result.points.emplace_back(values[i], 100 * static_cast<double>(i) / count);
    result.points.emplace_back(values[i], 100 * static_cast<double>(i + 1) / count);
  }
  return result;
}

}  // namespace

std::string load_page(
    const LoadSettings& settings, const LoadFigures& figures, std::span<const RequestRecord> records
) {
  const auto [first, whole] = latencies(records);
  const double most_s = most_of(whole.points, [](const auto& point) { return point.second; });
  const double last_s = most_of(whole.points, [](const auto& point) { return point.first; });

  Plot by_time("Latency by arrival", "arrival, s", "latency, s", last_s, most_s);
  by_time.dots(whole);
  by_time.dots(first);
  Plot by_share("Share of requests within a latency", "latency, s", "%", most_s, 100);
  by_share.line(shares(whole));
  by_share.line(shares(first));

  return "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
         "<title>Load test of " +
         escaped(settings.url) +
         "</title>\n<style>\n"
         ":root { color-scheme: light dark; --first: light-dark(#256245, #6cc498);"
         " --whole: light-dark(#2457a6, #7fb0ff); }\n"
         "body { max-width: 760px; margin: 24px auto; padding: 0 16px; font: 15px system-ui; }\n"
         "pre { white-space: pre-wrap; }\nsvg { width: 100%; }\n"
         "text { font-size: 12px; fill: currentColor; }\n"
         ".grid { stroke: currentColor; stroke-opacity: 0.15; }\n"
         ".first { fill: var(--first); stroke: var(--first); color: var(--first); }\n"
         ".whole { fill: var(--whole); stroke: var(--whole); color: var(--whole); }\n"
         "svg circle { fill-opacity: 0.5; stroke: none; }\n"
         "svg polyline { fill: none !important; stroke-width: 2; }\n"
         "</style>\n<h1>Load test</h1>\n<pre>" +
         escaped(load_table(settings, figures)) + "</pre>\n" + std::move(by_time).html() +
         std::move(by_share).html() + "</html>\n";
}

}  // namespace trellis
