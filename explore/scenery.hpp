// scenery: what several scenarios are set up with.
#pragma once

#include <detent/detent.hpp>

#include <utility>

namespace detent::explore {

inline service_options on(const executor_choice& executor) {
  service_options options;
  options.executor = executor;
  return options;
}

// Calls `when_destroyed` once, when it is destroyed as what a timer captured.
template <class F>
class last_word {
 public:
  explicit last_word(F when_destroyed) noexcept : said_(std::move(when_destroyed)) {}
  last_word(last_word&& other) noexcept : said_(std::move(other.said_)), mine_(std::exchange(other.mine_, false)) {}
  last_word(const last_word&) = delete;
  last_word& operator=(const last_word&) = delete;
  ~last_word() {
    if (mine_) said_();
  }

 private:
  F said_;
  bool mine_ = true;
};

}  // namespace detent::explore
