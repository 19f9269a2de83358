// How often something happened in each span of a replay whose length nobody knows beforehand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace detent::cli {

/// Fixed memory: when the spans do not reach far enough, they become twice as long. For one thread at a time.
class activity_track {
 public:
  static constexpr std::size_t most_spans = 512;
  static constexpr std::int64_t shortest_span_ns = 1'000'000;

  void add(std::int64_t time_ns, std::uint64_t count) noexcept;

  std::int64_t span_ns() const noexcept { return span_ns_; }

  /// The same in longer spans: `span_ns` is this track's own times a power of two.
  std::vector<std::uint64_t> in_spans_of(std::int64_t span_ns) const;

 private:
  void double_spans() noexcept;

  std::int64_t span_ns_ = shortest_span_ns;
  std::array<std::uint64_t, most_spans> counts_{};
};

}  // namespace detent::cli
