// The shipped trace, rewritten for the programs of the peers: operations only, sixteen bytes each.
#pragma once

#include <cstdint>
#include <string>

namespace detent::bench {

/// A file that is removed with the object. Throws std::runtime_error when the trace or the file cannot be used.
class replay_file {
 public:
  explicit replay_file(const std::string& trace);
  ~replay_file();
  replay_file(const replay_file&) = delete;
  replay_file& operator=(const replay_file&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::uint32_t timers() const noexcept { return timers_; }

 private:
  std::string path_;
  std::uint32_t timers_ = 0;
};

}  // namespace detent::bench
