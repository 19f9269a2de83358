// One line on the standard error that is written over and over while somebody watches.
#pragma once

#include <string>

namespace detent::cli {

class progress_line {
 public:
  progress_line();
  ~progress_line();  ///< leaves no trace of it
  progress_line(const progress_line&) = delete;
  progress_line& operator=(const progress_line&) = delete;

  /// False when the standard error is no terminal, or one that cannot go back in a line; then nothing is ever shown.
  bool is_watched() const noexcept { return watched_; }

  void show(const std::string& text);

 private:
  bool watched_;
  bool shown_ = false;
};

}  // namespace detent::cli
