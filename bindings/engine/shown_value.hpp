// shown_value: a script's value in a message: short, on one line, and without anything of the script being run for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace detent::scripting {

/// Between quotation marks, with its first 40 bytes at most. What is no printable UTF-8 is written as \xNN.
std::string quoted(std::string_view text);

/// As scripts write it: 5, 0.1, NaN, -Infinity.
std::string shown(double number);

}  // namespace detent::scripting
