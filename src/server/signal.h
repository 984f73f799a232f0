// Lets a coroutine wait for something that other parts of the same thread tell it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <utility>

namespace trellis::server {

using Clock = std::chrono::steady_clock;

/// For one thread, and one waiting coroutine.
class Signal {
 public:
  explicit Signal(boost::asio::io_context& io) : timer_(io) {}

  /// Wakes who waits, or else whoever waits next.
  void raise() {
    raised_ = true;
    timer_.cancel();
  }

  /// False: nobody raised it until then.
  boost::asio::awaitable<bool> wait_until(Clock::time_point deadline) {
    if (!raised_) {
      boost::system::error_code cancelled;
      timer_.expires_at(deadline);
      co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, cancelled)
      );
    }
    co_return std::exchange(raised_, false);
  }

 private:
  boost::asio::steady_timer timer_;
  bool raised_ = false;
};

}  // namespace trellis::server
