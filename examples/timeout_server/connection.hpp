// connection: one client. It reads a request, has it answered, and reads the next one.
//
// Threads: the loop's. The site owns it until `end`; handlers in flight hold it beside that.
#pragma once

#include "http.hpp"
#include "site.hpp"
#include "upstream.hpp"

#include <detent/detent.hpp>
#include <detent/worker_io.hpp>

#include <array>
#include <asio.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace timeout_server {

class connection : public std::enable_shared_from_this<connection> {
 public:
  connection(site& at, tcp::socket&& open)
      : site_(at),
        socket_(at.io, std::move(open)),
        idle_(at.timers, [this] { idle_is_over(); }),
        deadline_(at.timers, [this] { deadline_is_over(); }) {}

  void begin() {
    ++site_.counts.connections;
    site_.connections.emplace(this, shared_from_this());
    idle_.arm_after(site_.idle_limit());
    read();
  }

  // The server stops: who has no request in progress has only a moment for one more, or to read the answer.
  void drain() {
    if (!answering_ || writing_) idle_.arm_after(site_.idle_limit());
  }

  // Counts a request in progress as lost, to `counter`.
  void end(std::uint64_t& counter) {
    const auto self = shared_from_this();
    if (answering_) ++counter;
    answering_ = false;
    if (call_) call_->give_up();
    idle_.close();
    deadline_.close();
    asio::error_code ignored;
    static_cast<void>(socket_.close(ignored));
    site_.leave(this);
  }

 private:
  void read() {
    // Postponed at every read: one swap in the timer's record. Who is to leave has its limit in all, however it drips.
    if (!farewell_ && !site_.draining) idle_.arm_after(site_.idle_limit());
    socket_.async_read_some(asio::buffer(chunk_),
                            [self = shared_from_this()](const asio::error_code& error, std::size_t count) {
                              if (error) return self->end(self->site_.counts.gone);
                              if (self->farewell_) return self->read();  // What comes after the last answer is dropped.
                              self->bytes_.append(self->chunk_.data(), count);
                              self->next();
                            });
  }

  void next() {
    const std::size_t taken = parser_.take(bytes_);
    bytes_.erase(0, taken);
    switch (parser_.now()) {
      case request_parser::state::incomplete: return parser_.is_waiting() ? ask_for_the_body() : read();
      case request_parser::state::complete: return serve(parser_.result());
      case request_parser::state::malformed: return refuse(400);
      case request_parser::state::too_long: return refuse(413);
      case request_parser::state::unmet: return refuse(417);
    }
  }

  void ask_for_the_body() {
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(socket_, asio::buffer(go_on),
                      [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                        error ? self->end(self->site_.counts.gone) : self->read();
                      });
  }

  void accepted(bool keep_alive) {
    ++site_.counts.accepted;
    ++number_;
    answering_ = true;
    keep_alive_ = keep_alive;
    idle_.cancel();
    deadline_.arm_after(site_.allowed.request);
  }

  void refuse(int status) {
    is_head_ = false;
    accepted(false);
    answer(number_, status, "");
  }

  void serve(const request& wanted) {
    constexpr std::string_view upstream_path = "/upstream/";
    accepted(wanted.keep_alive);
    is_head_ = wanted.method == "HEAD";
    const bool is_get = is_head_ || wanted.method == "GET";
    if (is_get && wanted.target == "/") return answer(number_, 200, "hello\n");
    if (is_get && wanted.target == "/ledger") return answer(number_, 200, site_.counts.json() + '\n');
    if (is_get && wanted.target.starts_with(upstream_path)) {
      return ask_upstream(wanted.target.substr(upstream_path.size()));
    }
    if (wanted.method == "POST" && wanted.target == "/items") return store(wanted.body);
    answer(number_, 404, "no such thing\n");
  }

  void ask_upstream(std::string key) {
    call_ = std::make_shared<upstream_call>(site_, std::move(key),
                                            [this, number = number_](const std::optional<std::string>& value) {
                                              value ? answer(number, 200, *value + '\n') : answer(number, 502, "");
                                            });
    call_->attempt();
  }

  // Answered when the disk has it, so that no acknowledged item is lost.
  void store(std::string line) {
    if (line.empty() || line.find('\n') != std::string::npos) return answer(number_, 400, "one line\n");
    auto stored = [self = shared_from_this(), number = number_](bool whole) {
      asio::post(self->site_.io.context(), [self, number, whole] {
        self->answer(number, whole ? 200 : 503, whole ? "stored\n" : "not stored\n");
      });
    };
    const auto taken = site_.disk.append(std::move(line), std::move(stored));
    if (taken != detent::post_result::accepted) answer(number_, 503, "not stored\n");
  }

  // The first answer to a request counts; one to an earlier request comes too late.
  void answer(std::uint64_t number, int status, std::string_view body) {
    if (!answering_ || number != number_ || writing_) return;
    writing_ = true;
    deadline_.cancel();
    if (call_) call_->give_up();
    call_.reset();
    farewell_ = !keep_alive_ || site_.draining;
    text_ = response_text(status, body, !farewell_, is_head_);
    idle_.arm_after(site_.idle_limit());  // A client that does not read its answer must not hold us up.
    asio::async_write(socket_, asio::buffer(text_),
                      [self = shared_from_this()](const asio::error_code& error, std::size_t) {
                        if (error) return self->end(self->site_.counts.gone);
                        self->answered();
                      });
  }

  void answered() {
    ++site_.counts.answered;
    answering_ = false;
    writing_ = false;
    parser_.begin();
    idle_.arm_after(site_.idle_limit());
    if (!farewell_) return next();
    // To close now would reset the connection if more has come in, and the client might lose the answer.
    asio::error_code ignored;
    static_cast<void>(socket_.shutdown(tcp::socket::shutdown_send, ignored));
    read();
  }

  void idle_is_over() {
    ++site_.counts.idle_closed;
    end(site_.counts.gone);
  }

  void deadline_is_over() {
    ++site_.counts.deadlines_passed;
    answer(number_, 504, "too late\n");
  }

  site& site_;
  detent::io_object<tcp::socket> socket_;
  std::array<char, 4096> chunk_{};
  std::string bytes_;  // read and not parsed yet
  request_parser parser_;
  std::string text_;  // of the response, while it is written
  std::shared_ptr<upstream_call> call_;
  std::uint64_t number_ = 0;  // of the request
  bool answering_ = false;    // a request is in progress
  bool writing_ = false;      // and its answer is on the way
  bool keep_alive_ = true;
  bool is_head_ = false;   // its answer has no body
  bool farewell_ = false;  // this answer is the last one
  detent::timer idle_;
  detent::timer deadline_;
};

}  // namespace timeout_server
