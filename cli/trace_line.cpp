#include "trace_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace detent::cli {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_name_part(char c) { return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// Takes a whole number off the front of `text`; at least one digit.
template <class Number>
std::optional<Number> take_number(std::string_view& text) {
  Number value = 0;
  if (text.empty() || !is_digit(text.front())) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool take_spaces(std::string_view& text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == 0) return false;
  text.remove_prefix(std::min(first, text.size()));
  return true;
}

/// `3767.718457:`, with one to nine digits behind the point.
std::optional<std::int64_t> take_time(std::string_view& text) {
  constexpr std::int64_t ns_per_s = 1'000'000'000;
  std::string_view rest = text;
  const auto seconds = take_number<std::int64_t>(rest);
  if (!seconds || *seconds > std::numeric_limits<std::int64_t>::max() / ns_per_s - 1 || !take(rest, "."))
    return std::nullopt;
  std::int64_t unit_ns = ns_per_s;
  std::int64_t fraction_ns = 0;
  while (!rest.empty() && is_digit(rest.front()) && unit_ns > 1) {
    unit_ns /= 10;
    fraction_ns += (rest.front() - '0') * unit_ns;
    rest.remove_prefix(1);
  }
  if (unit_ns == ns_per_s || !take(rest, ":")) return std::nullopt;
  text = rest;
  return *seconds * ns_per_s + fraction_ns;
}

/// Reads `text`, which follows a '['. A task's name may hold brackets of its own, so this must be able to say no. A
/// number over 16 bits is not a CPU: the kernel knows at most 8192 of them.
std::optional<trace_line> read_from_cpu(std::string_view text) {
  const auto cpu = take_number<std::uint16_t>(text);
  if (!cpu || !take(text, "]") || !take_spaces(text)) return std::nullopt;
  auto time_ns = take_time(text);
  if (!time_ns) {  // then the column of flags stands between, e.g. "d.h1."
    text.remove_prefix(std::min(text.find_first_of(" \t"), text.size()));
    if (!take_spaces(text)) return std::nullopt;
    time_ns = take_time(text);
    if (!time_ns) return std::nullopt;
  }
  if (!take_spaces(text)) return std::nullopt;
  const auto name_end = static_cast<std::size_t>(std::ranges::find_if_not(text, is_name_part) - text.begin());
  if (name_end == 0 || name_end == text.size() || text[name_end] != ':') return std::nullopt;
  trace_line line{*cpu, *time_ns, text.substr(0, name_end), text.substr(name_end + 1)};
  take_spaces(line.payload);
  return line;
}

bool has_cpu(std::string_view head) {
  for (std::size_t at = head.find('['); at != std::string_view::npos; at = head.find('[', at + 1)) {
    std::string_view text = head.substr(at + 1);
    if (take_number<std::uint16_t>(text) && take(text, "]")) return true;
  }
  return false;
}

}  // namespace

std::optional<trace_line> split_trace_line(std::string_view line) {
  for (std::size_t at = line.find('['); at != std::string_view::npos; at = line.find('[', at + 1)) {
    if (auto parts = read_from_cpu(line.substr(at + 1))) return parts;
  }
  return std::nullopt;
}

std::optional<lost_marker> parse_lost_marker(std::string_view line) {
  lost_marker marker;
  take_spaces(line);
  if (!take(line, "CPU:")) return std::nullopt;
  take_spaces(line);
  const auto cpu = take_number<std::uint16_t>(line);
  if (!cpu || !take_spaces(line) || !take(line, "[")) return std::nullopt;
  marker.cpu = *cpu;
  const bool kernel_wording = take(line, "LOST ");
  marker.events = take_number<std::uint64_t>(line);
  if (marker.events) take_spaces(line);
  if (!take(line, "EVENTS")) return std::nullopt;
  if (!kernel_wording && !take(line, " DROPPED")) return std::nullopt;
  if (!take(line, "]")) return std::nullopt;
  return marker;
}

bool is_header(std::string_view line) {
  take_spaces(line);
  if (line.empty() || line.front() == '#') return true;
  constexpr std::array<std::string_view, 4> openings = {"cpus=", "version = ", "trace-cmd: ", "Buffer: "};
  if (std::ranges::any_of(openings, [line](std::string_view opening) { return line.starts_with(opening); }))
    return true;
  return line.starts_with("CPU ") && line.ends_with(" is empty");
}

std::string expected_before(std::string_view head, std::string_view event) {
  std::string text = has_cpu(head) ? "expected a time in seconds such as 3767.718457: before '"
                                   : "expected a CPU in brackets such as [001] before '";
  text.append(event).append(":', found '");
  // The end of the head is where the trouble is; the beginning is the task's name.
  constexpr std::size_t longest_quote = 40;
  if (head.size() > longest_quote) head.remove_prefix(head.size() - longest_quote);
  text.append(head).append("'");
  return text;
}

}  // namespace detent::cli
