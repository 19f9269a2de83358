// http: one request after the other out of a stream of bytes, and the text of a response. The parsing is http-parser's.
#pragma once

#include <cstddef>
#include <http_parser.h>
#include <string>
#include <string_view>

namespace timeout_server {

struct request {
  std::string method;
  std::string target;
  std::string body;
  bool keep_alive = false;
};

class request_parser {
 public:
  static constexpr std::size_t longest_target_bytes = 4096;
  static constexpr std::size_t longest_body_bytes = 65536;

  enum class state { incomplete, complete, malformed, too_long };

  request_parser() noexcept { begin(); }
  request_parser(const request_parser&) = delete;
  request_parser& operator=(const request_parser&) = delete;

  // Begins a new request.
  void begin() noexcept {
    http_parser_init(&parser_, HTTP_REQUEST);
    parser_.data = this;
    state_ = state::incomplete;
    request_ = {};
  }

  // Takes bytes up to the end of one request, and answers how many.
  std::size_t take(std::string_view bytes) {
    static const http_parser_settings settings = callbacks();
    const std::size_t taken = http_parser_execute(&parser_, &settings, bytes.data(), bytes.size());
    const bool stopped_by_us = state_ != state::incomplete;
    if (!stopped_by_us && (HTTP_PARSER_ERRNO(&parser_) != HPE_OK || parser_.upgrade != 0)) state_ = state::malformed;
    return taken;
  }

  state now() const noexcept { return state_; }
  const request& result() const noexcept { return request_; }

 private:
  static request_parser& of(http_parser* parser) noexcept { return *static_cast<request_parser*>(parser->data); }

  int stop(state why) noexcept {
    state_ = why;
    return 1;  // An error to the parser: it takes nothing more.
  }

  static http_parser_settings callbacks() noexcept {
    http_parser_settings all;
    http_parser_settings_init(&all);
    all.on_url = [](http_parser* p, const char* at, std::size_t length) {
      of(p).request_.target.append(at, length);
      return of(p).request_.target.size() <= longest_target_bytes ? 0 : of(p).stop(state::too_long);
    };
    all.on_body = [](http_parser* p, const char* at, std::size_t length) {
      of(p).request_.body.append(at, length);
      return of(p).request_.body.size() <= longest_body_bytes ? 0 : of(p).stop(state::too_long);
    };
    all.on_message_complete = [](http_parser* p) {
      of(p).request_.method = http_method_str(static_cast<http_method>(p->method));
      of(p).request_.keep_alive = http_should_keep_alive(p) != 0;
      of(p).state_ = state::complete;
      http_parser_pause(p, 1);
      return 0;
    };
    return all;
  }

  http_parser parser_{};
  state state_ = state::incomplete;
  request request_;
};

inline const char* phrase_of(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 413: return "Payload Too Large";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Unknown";
  }
}

inline std::string response_text(int status, std::string_view body, bool keep_alive) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + ' ' + phrase_of(status) + "\r\n";
  text += "Content-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  text += body;
  return text;
}

}  // namespace timeout_server
