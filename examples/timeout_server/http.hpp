// http: one request after the other out of a stream of bytes, and the text of a response. The parsing is http-parser's.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <http_parser.h>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace timeout_server {

struct request {
  std::string method;
  std::string target;
  std::string body;
  bool keep_alive = false;
};

// Whether these are the same letters, whatever their case.
inline bool same_word(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

class request_parser {
 public:
  static constexpr std::size_t longest_target_bytes = 4096;
  static constexpr std::size_t longest_body_bytes = 65536;

  enum class state { incomplete, complete, malformed, too_long, unmet };  // unmet: an expectation nobody can meet

  request_parser() noexcept { begin(); }
  request_parser(const request_parser&) = delete;
  request_parser& operator=(const request_parser&) = delete;

  // Begins a new request.
  void begin() noexcept {
    http_parser_init(&parser_, HTTP_REQUEST);
    parser_.data = this;
    state_ = state::incomplete;
    request_ = {};
    header_ = {};
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
  // Whether the client waits to be told that it may send the body. True once for each request.
  bool is_waiting() noexcept { return std::exchange(header_.is_waiting, false) && state_ == state::incomplete; }
  const request& result() const noexcept { return request_; }

 private:
  static request_parser& of(http_parser* parser) noexcept { return *static_cast<request_parser*>(parser->data); }

  int stop(state why) noexcept {
    state_ = why;
    return 1;  // An error to the parser: it takes nothing more.
  }

  // What the header has told so far. The parser brings names and values in pieces.
  struct header {
    std::string name;
    std::string value;
    bool in_value = false;
    unsigned hosts = 0;
    std::string expected;
    bool is_waiting = false;
  };

  void end_field() {
    if (same_word(header_.name, "host")) ++header_.hosts;
    if (same_word(header_.name, "expect")) header_.expected = std::move(header_.value);
    header_.name.clear();
    header_.value.clear();
    header_.in_value = false;
  }

  // What can be refused without the body is refused without it.
  void end_header() {
    end_field();
    const bool is_1_1 = parser_.http_major > 1 || (parser_.http_major == 1 && parser_.http_minor >= 1);
    if (header_.hosts > 1 || (is_1_1 && header_.hosts == 0)) {
      state_ = state::malformed;
    } else if (is_1_1 && !header_.expected.empty() && !same_word(header_.expected, "100-continue")) {
      state_ = state::unmet;
    } else if (parser_.content_length > longest_body_bytes &&
               parser_.content_length != std::numeric_limits<std::uint64_t>::max()) {
      state_ = state::too_long;
    } else {
      header_.is_waiting = is_1_1 && !header_.expected.empty();
    }
  }

  static http_parser_settings callbacks() noexcept {
    http_parser_settings all;
    http_parser_settings_init(&all);
    all.on_url = [](http_parser* p, const char* at, std::size_t length) {
      of(p).request_.target.append(at, length);
      return of(p).request_.target.size() <= longest_target_bytes ? 0 : of(p).stop(state::too_long);
    };
    all.on_header_field = [](http_parser* p, const char* at, std::size_t length) {
      if (of(p).header_.in_value) of(p).end_field();
      of(p).header_.name.append(at, length);
      return 0;
    };
    all.on_header_value = [](http_parser* p, const char* at, std::size_t length) {
      of(p).header_.in_value = true;
      of(p).header_.value.append(at, length);
      return 0;
    };
    all.on_headers_complete = [](http_parser* p) {
      of(p).end_header();
      return of(p).state_ == state::incomplete ? 0 : -1;  // 1 would mean that there is no body.
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
  header header_;
};

inline const char* phrase_of(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 413: return "Payload Too Large";
    case 417: return "Expectation Failed";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Unknown";
  }
}

// Without its body, which it tells all the same, when `is_head`.
inline std::string response_text(int status, std::string_view body, bool keep_alive, bool is_head) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + ' ' + phrase_of(status) + "\r\n";
  text += "Content-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!is_head) text += body;
  return text;
}

}  // namespace timeout_server
