// Sends the requests of a plan at their times, whether or not earlier ones have been answered: an
// open loop, so that a slow server does not get less to do. Boost stays behind this header.
#pragma once

#include "apps/trellis/bench_serve/load_plan.h"
#include "apps/trellis/bench_serve/request_record.h"
#include "apps/trellis/bench_serve/server_url.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace trellis {

struct LoadOptions {
  ServerUrl url;
  std::string api_key;  // empty: none is sent
  size_t concurrency =
      256;  // of requests; one above waits here, and its latency counts from its arrival
  std::chrono::milliseconds timeout{600'000};  // of one request, from its sending
};

class LoadClient {
 public:
  /// Throws UserError where the host's name is not known.
  explicit LoadClient(LoadOptions options);
  ~LoadClient();

  /// The body of the reply to one POST. Throws UserError unless it is a 200.
  std::string post(const std::string& path, const std::string& body);

  /// Sends all requests and waits for their ends. progress(how many have ended) is called now and
  /// then, on this thread. Records are in the order of the plan. Once.
  std::vector<RequestRecord> run(
      const std::vector<PlannedRequest>& plan, const std::function<void(size_t)>& progress
  );

  /// Any thread, at any time. run() sends nothing more, closes what is open and returns.
  void stop();

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace trellis
