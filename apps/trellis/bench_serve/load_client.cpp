#include "apps/trellis/bench_serve/load_client.h"

#include "apps/trellis/bench_serve/answer_reader.h"
#include "base/error.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <deque>
#include <set>
#include <string_view>
#include <utility>

namespace trellis {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Tcp = asio::ip::tcp;

constexpr std::chrono::milliseconds kProgressInterval{100};
constexpr size_t kMostErrorBody = 64u << 10;
constexpr size_t kMostWholeBody = 64u << 20;

std::string transport_failure(const char* during, const error_code& error) {
  if (error == beast::error::timeout) return "timeout";
  if (error == http::error::end_of_stream || error == http::error::partial_message)
    return "cut off";
  return fmt::format("{}: {}", during, error.message());
}

}  // namespace

class LoadClient::Run {
 public:
  explicit Run(LoadOptions options)
      : options_(std::move(options)), arrival_timer_(io_), progress_timer_(io_) {
    error_code error;
    Tcp::resolver resolver(io_);
    const auto found = resolver.resolve(options_.url.host, options_.url.port, error);
    if (error) {
      throw UserError("{}: the host is not known: {}", options_.url.authority(), error.message());
    }
    for (const auto& entry : found) endpoints_.push_back(entry.endpoint());
  }

  std::string post(const std::string& path, const std::string& body) {
    error_code error;
    beast::tcp_stream stream(io_);
    stream.connect(endpoints_, error);
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMostWholeBody);
    if (!error) http::write(stream, request(path, body), error);
    beast::flat_buffer buffer;
    if (!error) http::read(stream, buffer, parser, error);
    const std::string where = options_.url.authority() + path;
    if (error) throw UserError("{}: {}", where, error.message());
    if (parser.get().result_int() != 200) {
      throw UserError(
          "{}: {}", where, http_failure(parser.get().result_int(), parser.get().body())
      );
    }
    return parser.get().body();
  }

  std::vector<RequestRecord> run(
      const std::vector<PlannedRequest>& plan, const std::function<void(size_t)>& progress
  ) {
    plan_ = &plan;
    records_.resize(plan.size());
    for (size_t i = 0; i < plan.size(); ++i) records_[i].arrival_s = plan[i].arrival_s;
    begin_ = Clock::now();
    asio::co_spawn(io_, arrive(), asio::detached);
    asio::co_spawn(io_, report(progress), asio::detached);
    io_.run();
    return std::move(records_);
  }

  void stop() {
    asio::post(io_, [this] {
      stopping_ = true;
      waiting_.clear();
      arrival_timer_.cancel();
      progress_timer_.cancel();
      for (beast::tcp_stream* stream : open_) stream->cancel();
    });
  }

 private:
  double now_s() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

  http::request<http::string_body> request(const std::string& path, const std::string& body) const {
    http::request<http::string_body> request(http::verb::post, options_.url.prefix + path, 11);
    request.set(http::field::host, options_.url.authority());
    request.set(http::field::user_agent, "trellis-bench-serve");
    request.set(http::field::content_type, "application/json");
    if (!options_.api_key.empty()) {
      request.set(http::field::authorization, "Bearer " + options_.api_key);
    }
    request.keep_alive(false);
    request.body() = body;
    request.prepare_payload();
    return request;
  }

  /// Lets each request begin at its time, or wait where as many as may be are under way.
  asio::awaitable<void> arrive() {
    for (size_t i = 0; i < plan_->size() && !stopping_; ++i) {
      const std::chrono::duration<double> after((*plan_)[i].arrival_s);
      arrival_timer_.expires_at(begin_ + std::chrono::duration_cast<Clock::duration>(after));
      error_code ignored;
      co_await arrival_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      if (stopping_) break;
      waiting_.push_back(i);
      begin_waiting();
    }
    has_all_arrived_ = true;
    wake_when_over();
  }

  void begin_waiting() {
    while (!waiting_.empty() && num_running_ < options_.concurrency) {
      ++num_running_;
      asio::co_spawn(io_, send(waiting_.front()), asio::detached);
      waiting_.pop_front();
    }
  }

  asio::awaitable<void> send(size_t index) {
    RequestRecord& record = records_[index];
    beast::tcp_stream stream(io_);
    open_.insert(&stream);
    record.sent_s = now_s();
    std::string failure = co_await exchange(stream, (*plan_)[index], record);
    record.end_s = now_s();
    record.completed = failure.empty();
    if (!stopping_) record.error = std::move(failure);
    open_.erase(&stream);
    --num_running_;
    ++num_ended_;
    begin_waiting();
    wake_when_over();
  }

  /// The kind of the failure; empty where there was none.
  asio::awaitable<std::string> exchange(
      beast::tcp_stream& stream, const PlannedRequest& planned, RequestRecord& record
  ) {
    error_code error;
    const auto token = [&error] { return asio::redirect_error(asio::use_awaitable, error); };
    stream.expires_after(options_.timeout);
    co_await stream.async_connect(endpoints_, token());
    if (error) co_return transport_failure("connect", error);
    error_code ignored;
    stream.socket().set_option(Tcp::no_delay(true), ignored);
    http::request<http::string_body> message = request(planned.path, planned.body);
    co_await http::async_write(stream, message, token());
    if (error) co_return transport_failure("send", error);

    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    co_await http::async_read_header(stream, buffer, parser, token());
    if (error) co_return transport_failure("receive", error);
    const unsigned status = parser.get().result_int();
    AnswerReader reader(record);
    std::string error_body;
    std::array<char, 16384> room;
    while (!parser.is_done()) {
      parser.get().body().data = room.data();
      parser.get().body().size = room.size();
      co_await http::async_read_some(stream, buffer, parser, token());
      if (error == http::error::need_buffer) error = {};
      if (error) co_return transport_failure("receive", error);
      const std::string_view bytes(room.data(), room.size() - parser.get().body().size);
      if (status != 200) {
        error_body += bytes.substr(0, kMostErrorBody - std::min(kMostErrorBody, error_body.size()));
      } else if (auto failure = reader.feed(bytes, now_s())) {
        co_return *failure;
      }
    }
    if (status != 200) co_return http_failure(status, error_body);
    co_return reader.is_complete() ? "" : "cut off";
  }

  asio::awaitable<void> report(const std::function<void(size_t)>& progress) {
    while (!is_over()) {
      progress(num_ended_);
      progress_timer_.expires_after(kProgressInterval);
      error_code ignored;
      co_await progress_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    progress(num_ended_);
  }

  bool is_over() const {
    return stopping_ || (has_all_arrived_ && num_running_ == 0 && waiting_.empty());
  }

  /// Nothing waits for the rest of an interval of progress.
  void wake_when_over() {
    if (is_over()) progress_timer_.cancel();
  }

  LoadOptions options_;
  asio::io_context io_{1};
  std::vector<Tcp::endpoint> endpoints_;
  asio::steady_timer arrival_timer_;
  asio::steady_timer progress_timer_;
  const std::vector<PlannedRequest>* plan_ = nullptr;
  std::vector<RequestRecord> records_;
  Clock::time_point begin_;
  std::deque<size_t> waiting_;  // have arrived and are not sent
  std::set<beast::tcp_stream*> open_;
  size_t num_running_ = 0;
  size_t num_ended_ = 0;
  bool has_all_arrived_ = false;
  bool stopping_ = false;
};

LoadClient::LoadClient(LoadOptions options) : run_(std::make_unique<Run>(std::move(options))) {}

LoadClient::~LoadClient() = default;

std::string LoadClient::post(const std::string& path, const std::string& body) {
  return run_->post(path, body);
}

std::vector<RequestRecord> LoadClient::run(
    const std::vector<PlannedRequest>& plan, const std::function<void(size_t)>& progress
) {
  return run_->run(plan, progress);
}

void LoadClient::stop() {
  run_->stop();
}

}  // namespace trellis
