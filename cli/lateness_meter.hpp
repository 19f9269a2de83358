// Lateness kept in the shape in which the service keeps its own, so that the two compare bucket by bucket.
#pragma once

#include "replay_report.hpp"

#include <detent/observe.hpp>

#include <cstddef>
#include <cstdint>

namespace detent::cli {

/// For one thread at a time.
class lateness_meter {
 public:
  lateness_meter();
  void add(std::int64_t lateness_ns) noexcept;
  void add(const lateness_meter& other) noexcept;
  const lateness_histogram& histogram() const noexcept { return histogram_; }

  /// The bucket whose upper bound is the lowest that is not below `ns`.
  static std::size_t bucket_of(std::uint64_t ns) noexcept;

 private:
  lateness_histogram histogram_;
};

lateness_record to_record(const lateness_histogram& histogram);

}  // namespace detent::cli
