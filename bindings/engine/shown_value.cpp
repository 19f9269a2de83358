// shown_value: quoting and shortening.
#include "shown_value.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>

namespace detent::scripting {

namespace {

constexpr std::size_t most_bytes = 40;

// How many bytes at the beginning are one printable character of UTF-8; 0 if there is none.
std::size_t printable_bytes(std::string_view text) {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (at(0) < 0x80) return at(0) >= 0x20 && at(0) != 0x7F ? 1 : 0;
  if (at(0) < 0xC2 || at(0) > 0xF4) return 0;
  const std::size_t count = at(0) >= 0xF0 ? 4 : at(0) >= 0xE0 ? 3 : 2;
  if (text.size() < count) return 0;
  for (std::size_t i = 1; i < count; ++i) {
    if ((at(i) & 0xC0) != 0x80) return 0;
  }
  // Controls of the second row, forms that are too long, halves of pairs, and what is above the last character.
  const bool is_bad = (at(0) == 0xC2 && at(1) < 0xA0) || (at(0) == 0xE0 && at(1) < 0xA0) ||
                      (at(0) == 0xED && at(1) >= 0xA0) || (at(0) == 0xF0 && at(1) < 0x90) ||
                      (at(0) == 0xF4 && at(1) >= 0x90);
  return is_bad ? 0 : count;
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string made = "\"";
  for (std::size_t used = 0; used < text.size();) {
    const std::size_t printable = printable_bytes(text.substr(used));
    const std::size_t step = printable == 0 ? 1 : printable;
    if (used + step > most_bytes) return made + "\"...";
    if (text[used] == '\n') {
      made += "\\n";
    } else if (printable == 0) {
      constexpr std::string_view digits = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(text[used]);
      made.append("\\x").append({digits[byte >> 4], digits[byte & 0xF]});
    } else {
      if (text[used] == '"' || text[used] == '\\') made += '\\';
      made += text.substr(used, step);
    }
    used += step;
  }
  return made + '"';
}

std::string shown(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  return {text.data(), end};
}

}  // namespace detent::scripting
