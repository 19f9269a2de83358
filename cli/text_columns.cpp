#include "text_columns.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace detent::cli {

std::size_t width_of(std::string_view text) {
  constexpr unsigned continuation_mask = 0xc0;
  constexpr unsigned continuation = 0x80;
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & continuation_mask) != continuation; }));
}

text_columns::text_columns(std::initializer_list<std::string_view> heads) {
  rows_.emplace_back(heads.begin(), heads.end());
}

void text_columns::add(std::vector<std::string> cells) {
  cells.resize(rows_.front().size());
  rows_.push_back(std::move(cells));
}

std::vector<std::string> text_columns::lines(align others) const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], width_of(row[column]));
  }
  constexpr std::string_view between = "  ";
  std::vector<std::string> lines;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string padding(widths[column] - width_of(row[column]), ' ');
      const bool left = column == 0 || others == align::left;
      line.append(column == 0 ? "" : between)
          .append(left ? "" : padding)
          .append(row[column])
          .append(left ? padding : "");
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (!line.empty()) lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace detent::cli
