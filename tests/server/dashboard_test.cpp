// packaging/grafana/trellis.json against what /metrics has.
#include "server/api_harness.h"

#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>

namespace trellis::server {
namespace {

Json dashboard() {
  std::ifstream file(TRELLIS_SOURCE_DIR "/packaging/grafana/trellis.json");
  return Json::parse(file);
}

/// Names of metrics in a text, with "trellis:" before them.
std::set<std::string> names_in(const std::string& text) {
  static const std::regex kName("trellis:[a-z0-9_]+");
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), kName), end; at != end; ++at) {
    names.insert(at->str());
  }
  return names;
}

class Dashboard : public ApiTest {};

TEST_F(Dashboard, NamesOnlyMetricsThatThereAre) {
  std::string samples;
  std::istringstream lines(server_->get("/metrics").body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) samples += line + "\n";
  }

  const std::set<std::string> named = names_in(dashboard().dump());

  EXPECT_GT(named.size(), 12U);
  EXPECT_THAT(names_in(samples), testing::IsSupersetOf(named));
}

TEST_F(Dashboard, ShowsEveryFamilyOfMetrics) {
  const std::string text = dashboard().dump();

  std::istringstream lines(server_->get("/metrics").body);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("# TYPE ")) continue;
    const std::string name = line.substr(7, line.find(' ', 7) - 7);
    EXPECT_NE(text.find(name), std::string::npos) << name;
  }
}

TEST_F(Dashboard, FiltersByLabelsThatTheMetricsHave) {
  const Json whole = dashboard();
  const std::string metrics = server_->get("/metrics").body;

  EXPECT_THAT(metrics, testing::HasSubstr("trellis:engine_up{model_name=\""));
  EXPECT_THAT(metrics, testing::HasSubstr(",finished_reason=\""));
  for (const Json& panel : whole.at("panels")) {
    for (const Json& target : panel.at("targets")) {
      EXPECT_THAT(
          target.at("expr").get<std::string>(), testing::HasSubstr("{model_name=~\"$model\"}")
      );
    }
  }
}

TEST_F(Dashboard, HasPanelsThatDoNotCoverEachOther) {
  const Json whole = dashboard();
  std::set<int> ids;
  std::set<std::pair<int, int>> cells;
  for (const Json& panel : whole.at("panels")) {
    EXPECT_TRUE(ids.insert(panel.at("id").get<int>()).second);
    const Json& at = panel.at("gridPos");
    const int left = at.at("x").get<int>();
    const int top = at.at("y").get<int>();
    for (int x = left; x < left + at.at("w").get<int>(); ++x) {
      EXPECT_LT(x, 24);
      for (int y = top; y < top + at.at("h").get<int>(); ++y) {
        EXPECT_TRUE(cells.emplace(x, y).second) << panel.at("title");
      }
    }
  }
}

}  // namespace
}  // namespace trellis::server
