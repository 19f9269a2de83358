// Rows of words, set in columns.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace detent::cli {

class text_columns {
 public:
  enum class align { right, left };  ///< of every column but the first, which is set left

  /// The heads; a table whose heads are all empty is set without them.
  text_columns(std::initializer_list<std::string_view> heads);

  void add(std::vector<std::string> cells);

  std::vector<std::string> lines(align others = align::right) const;

 private:
  std::vector<std::vector<std::string>> rows_;  // the heads first
};

/// Columns that UTF-8 text takes; every character here takes one.
std::size_t width_of(std::string_view text);

}  // namespace detent::cli
