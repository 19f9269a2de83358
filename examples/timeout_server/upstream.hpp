// upstream: a service that fails now and then, and a call that is tried again, each time after twice the pause.
//
// Its protocol: a line with a key, answered by a line with a value.
#pragma once

#include "site.hpp"

#include <detent/worker_io.hpp>

#include <asio.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace timeout_server {

using asio::ip::tcp;

// Hangs up on two of three calls without an answer, and never answers for the key "never".
class flaky_upstream {
 public:
  explicit flaky_upstream(detent::worker_io& io)
      : io_(io), acceptor_(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), here_(acceptor_.local_endpoint()) {
    accept();
  }

  tcp::endpoint address() const { return here_; }

 private:
  struct caller {
    caller(detent::worker_io& io, tcp::socket&& open) : socket(io, std::move(open)) {}
    detent::io_object<tcp::socket> socket;
    std::string text;
  };

  void accept() {
    acceptor_.async_accept([this](const asio::error_code& error, tcp::socket open) {
      if (error == asio::error::operation_aborted || !acceptor_.is_open()) return;
      if (!error) serve(std::make_shared<caller>(io_, std::move(open)));
      accept();
    });
  }

  void serve(const std::shared_ptr<caller>& from) {
    asio::async_read_until(from->socket, asio::dynamic_buffer(from->text, 1024), '\n',
                           [this, from](const asio::error_code& error, std::size_t length) {
                             if (error) return;
                             const std::string key = from->text.substr(0, length - 1);
                             if (key == "never") return wait_for_the_end(from);
                             if (++calls_ % 3 != 0) return;  // The socket goes out of scope: it hangs up.
                             from->text = "value of " + key + '\n';
                             asio::async_write(from->socket, asio::buffer(from->text),
                                               [from](const asio::error_code&, std::size_t) {});
                           });
  }

  static void wait_for_the_end(const std::shared_ptr<caller>& from) {
    from->socket.async_wait(tcp::socket::wait_read, [from](const asio::error_code&) {});
  }

  detent::worker_io& io_;
  detent::io_object<tcp::acceptor> acceptor_;
  tcp::endpoint here_;
  unsigned calls_ = 0;
};

// Asks the upstream until it answers, `limits::attempts` times at most. `done` is called once with the value or
// without, unless the call is given up first.
class upstream_call : public std::enable_shared_from_this<upstream_call> {
 public:
  using done = std::function<void(std::optional<std::string>)>;

  upstream_call(site& at, std::string key, done then)
      : site_(at),
        key_(std::move(key) + '\n'),
        done_(std::move(then)),
        pause_(at.allowed.retry),
        again_(at.timers, [this] { attempt(); }) {}

  void attempt() {
    ++attempts_;
    text_.clear();
    socket_.emplace(site_.io);
    socket_->async_connect(site_.upstream, [self = shared_from_this()](const asio::error_code& error) {
      error ? self->failed() : self->send();
    });
  }

  void give_up() {
    done_ = {};
    again_.close();
    if (socket_) {
      asio::error_code ignored;
      static_cast<void>(socket_->close(ignored));
    }
  }

 private:
  void send() {
    asio::async_write(*socket_, asio::buffer(key_), [self = shared_from_this()](const asio::error_code& error, auto) {
      error ? self->failed() : self->receive();
    });
  }

  void receive() {
    asio::async_read_until(*socket_, asio::dynamic_buffer(text_, 1024), '\n',
                           [self = shared_from_this()](const asio::error_code& error, std::size_t length) {
                             error ? self->failed() : self->end(self->text_.substr(0, length - 1));
                           });
  }

  void failed() {
    if (!done_) return;
    if (attempts_ == site_.allowed.attempts) return end(std::nullopt);
    ++site_.counts.retries;
    again_.arm_after(pause_);
    pause_ *= 2;
  }

  void end(std::optional<std::string> value) {
    if (const done then = std::exchange(done_, {})) then(std::move(value));
  }

  site& site_;
  std::string key_;
  std::string text_;
  done done_;
  int attempts_ = 0;
  std::chrono::milliseconds pause_;
  std::optional<detent::io_object<tcp::socket>> socket_;
  detent::timer again_;
};

}  // namespace timeout_server
