#include "trace_event.hpp"

#include "trace_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace detent::cli {
namespace {

struct event_name {
  std::string_view text;
  timer_family family;
  trace_verb verb;
};

constexpr std::array<event_name, 6> event_names = {{
    {"timer_start", timer_family::wheel, trace_verb::start},
    {"timer_cancel", timer_family::wheel, trace_verb::cancel},
    {"timer_expire_entry", timer_family::wheel, trace_verb::expire_entry},
    {"hrtimer_start", timer_family::hrtimer, trace_verb::start},
    {"hrtimer_cancel", timer_family::hrtimer, trace_verb::cancel},
    {"hrtimer_expire_entry", timer_family::hrtimer, trace_verb::expire_entry},
}};

const event_name* find_name(std::string_view text) {
  const auto* const found = std::ranges::find(event_names, text, &event_name::text);
  return found == event_names.end() ? nullptr : found;
}

/// The text after `key`, which ends with '=' and must begin a word: "expires=" does not match inside "softexpires=".
std::optional<std::string_view> text_after(std::string_view payload, std::string_view key) {
  for (std::size_t at = payload.find(key); at != std::string_view::npos; at = payload.find(key, at + 1)) {
    const bool begins_word = at == 0 || payload[at - 1] == ' ' || payload[at - 1] == '[';
    if (begins_word) return payload.substr(at + key.size());
  }
  return std::nullopt;
}

std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(" ]\t")); }

/// Collects the first complaint, so that the fields of one event can be read one after the other without a branch each.
class field_reader {
 public:
  explicit field_reader(std::string_view payload) : payload_(payload) {}

  bool has(std::string_view key) const { return text_after(payload_, key).has_value(); }

  std::uint64_t address(std::string_view key) {
    const auto text = text_after(payload_, key);
    if (!text) return complain(key, "a hexadecimal address", "nothing of the kind");
    std::string_view word = first_word(*text);
    if (word.starts_with("0x")) word.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
    if (error != std::errc{} || end != word.data() + word.size()) return complain(key, "a hexadecimal address", word);
    return value;
  }

  std::int64_t number(std::string_view key) {
    const auto text = text_after(payload_, key);
    if (!text) return static_cast<std::int64_t>(complain(key, "a number", "nothing of the kind"));
    const std::string_view word = first_word(*text);
    const char* const last = word.data() + word.size();
    std::int64_t value = 0;
    if (const auto [end, error] = std::from_chars(word.data(), last, value); error == std::errc{} && end == last)
      return value;
    // The kernel prints instants as unsigned; one before its clock's zero comes out above 2^63 and means a negative
    // number.
    std::uint64_t wrapped = 0;
    if (const auto [end, error] = std::from_chars(word.data(), last, wrapped); error == std::errc{} && end == last) {
      return static_cast<std::int64_t>(wrapped);
    }
    return static_cast<std::int64_t>(complain(key, "a number", word));
  }

  /// A function's name ends where the next field begins: in a module's function a space and the module follow the name.
  std::string_view function() {
    const auto text = text_after(payload_, "function=");
    if (!text) {
      complain("function=", "the name of a function", "nothing of the kind");
      return {};
    }
    std::string_view name = *text;
    for (const std::string_view next : {" expires=", " now=", " softexpires="}) name = name.substr(0, name.find(next));
    name = name.substr(0, name.find_last_not_of(' ') + 1);
    // trace-cmd adds the offset inside the function, which is always nought here.
    for (const std::string_view offset : {"/0x0", "+0x0"}) {
      if (name.ends_with(offset)) name.remove_suffix(offset.size());
    }
    return name.empty() ? std::string_view{"(no function)"} : name;
  }

  const std::string& complaint() const { return complaint_; }

 private:
  std::uint64_t complain(std::string_view key, std::string_view what, std::string_view found) {
    if (!complaint_.empty()) return 0;
    constexpr std::size_t longest_quote = 40;
    complaint_.append("expected '").append(key).append("' with ").append(what).append(", found '");
    complaint_.append(found.substr(0, longest_quote)).append("'");
    return 0;
  }

  std::string_view payload_;
  std::string complaint_;
};

parsed_line read_event(const event_name& name, const trace_line& line) {
  field_reader fields{line.payload};
  trace_event event;
  event.family = name.family;
  event.verb = name.verb;
  event.cpu = line.cpu;
  event.time_ns = line.time_ns;
  const bool wheel = name.family == timer_family::wheel;
  event.address = fields.address(wheel ? "timer=" : "hrtimer=");
  if (name.verb == trace_verb::start) {
    event.function = fields.function();
    event.expires = fields.number(fields.has("softexpires=") ? "softexpires=" : "expires=");
    if (wheel) event.timeout_jiffies = fields.number("timeout=");
    event.was_armed = fields.has("was_armed=") && fields.number("was_armed=") != 0;
  } else if (name.verb == trace_verb::expire_entry) {
    event.function = fields.function();
    event.now = fields.number("now=");
  }
  if (!fields.complaint().empty()) return malformed_line{fields.complaint()};
  return event;
}

/// A line that has no readable beginning is malformed when it names one of our events, and foreign otherwise.
parsed_line judge_headless(std::string_view line) {
  for (const event_name& name : event_names) {
    const std::size_t at = line.find(name.text);
    if (at == std::string_view::npos) continue;
    const bool begins_word = at == 0 || line[at - 1] == ' ';
    const std::size_t after = at + name.text.size();
    if (!begins_word || after >= line.size() || line[after] != ':') continue;
    return malformed_line{expected_before(line.substr(0, at), name.text)};
  }
  return foreign_line{};
}

}  // namespace

parsed_line parse_trace_line(std::string_view line) {
  if (is_header(line)) return header_line{};
  const auto parts = split_trace_line(line);
  if (!parts) {
    if (const auto lost = parse_lost_marker(line)) return *lost;
    return judge_headless(line);
  }
  const event_name* const name = find_name(parts->event);
  if (name == nullptr) return foreign_line{};
  return read_event(*name, *parts);
}

}  // namespace detent::cli
