// How many jiffies the recording kernel counted per second (its CONFIG_HZ).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace detent::cli {

/// A trace never names HZ, but it shows the jiffies counter beside the clock: in `expires` minus `timeout` of each
/// start and in `now` of each expiry. Two readings far enough apart leave only one of the usual rates.
class jiffies_rate {
 public:
  void add(std::int64_t time_ns, std::int64_t jiffies);

  /// 100, 250, 300 or 1000; nothing when the readings fit none of them or several.
  std::optional<std::uint32_t> derive() const;

  /// What was measured, as the reason why `derive` gave nothing.
  std::string reason() const;

 private:
  struct bounds {
    double low = 0;
    double high = 0;
  };
  bounds per_second() const;

  bool any_ = false;
  std::int64_t first_time_ns_ = 0;
  std::int64_t last_time_ns_ = 0;
  std::int64_t last_jiffies_ = 0;
  std::int64_t advance_ = 0;
};

}  // namespace detent::cli
