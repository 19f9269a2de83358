// One round of one workload on one peer, as the program of a peer gets it on its command line, and what it answers on
// its standard output. README.md describes both; programs in other languages speak the same.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace detent::bench {

struct round {
  std::string peer;
  std::string workload;
  std::uint32_t n = 1000;
  std::uint32_t threads = 1;
  double seconds = 0.2;  ///< of measuring; setting up and warming up come before
  std::uint64_t seed = 1;
  std::string file;  ///< replay: the recording

  std::int64_t length_ns() const noexcept { return static_cast<std::int64_t>(seconds * 1e9); }
};

inline constexpr int cannot_status = 3;

/// Ends the program: this peer cannot do this, and why.
[[noreturn]] inline void cannot(const std::string& why) {
  std::printf("cannot %s\n", why.c_str());
  std::fflush(stdout);
  std::_Exit(cannot_status);
}

inline void answer(std::string_view metric, std::string_view unit, double value) {
  std::printf("%.*s %.*s %.17g\n", static_cast<int>(metric.size()), metric.data(), static_cast<int>(unit.size()),
              unit.data(), value);
}

/// Single values, of which the bench takes percentiles.
inline void answer_samples(std::string_view metric, std::string_view unit, const std::vector<std::int64_t>& values) {
  std::printf("samples %.*s %.*s:", static_cast<int>(metric.size()), metric.data(), static_cast<int>(unit.size()),
              unit.data());
  for (const std::int64_t value : values) std::printf(" %lld", static_cast<long long>(value));
  std::printf("\n");
}

inline round parse_round(int argument_count, const char* const* arguments) {
  round r;
  if (argument_count < 3) {
    std::fprintf(stderr, "usage: %s PEER WORKLOAD [n=N threads=N seconds=S seed=X file=F]\n", arguments[0]);
    std::_Exit(2);
  }
  r.peer = arguments[1];
  r.workload = arguments[2];
  for (int at = 3; at < argument_count; ++at) {
    const std::string_view argument = arguments[at];
    const std::size_t equals = argument.find('=');
    const std::string_view key = argument.substr(0, equals);
    const std::string value{equals == std::string_view::npos ? "" : argument.substr(equals + 1)};
    if (key == "n") r.n = static_cast<std::uint32_t>(std::stoul(value));
    else if (key == "threads") r.threads = static_cast<std::uint32_t>(std::stoul(value));
    else if (key == "seconds") r.seconds = std::stod(value);
    else if (key == "seed") r.seed = std::stoull(value);
    else if (key == "file") r.file = value;
    else {
      std::fprintf(stderr, "%s: unknown argument '%s'\n", arguments[0], arguments[at]);
      std::_Exit(2);
    }
  }
  return r;
}

}  // namespace detent::bench
