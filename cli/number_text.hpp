// Numbers as a person reads them.
#pragma once

#include <cstdint>
#include <string>

namespace detent::cli {

/// 1169091 -> "1,169,091"
std::string grouped(std::uint64_t number);

/// Three digits and the unit that keeps them short: "812 ns", "54.1 µs", "3.28 s", "2 h 5 min".
std::string duration_text(std::int64_t duration_ns);

/// "17.4 MiB"
std::string bytes_text(std::uint64_t bytes);

/// "94.2 %"; a part that is not nought never reads as nought: "< 0.1 %". Empty when the whole is nought.
std::string share_text(std::uint64_t part, std::uint64_t whole);

}  // namespace detent::cli
