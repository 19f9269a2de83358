#include "replay_file.hpp"

#include "peer/recorded.hpp"
#include "trace_recording.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <unistd.h>
#include <vector>

namespace detent::bench {

replay_file::replay_file(const std::string& trace) {
  const cli::trace_recording recording = cli::read_recording(trace, std::nullopt);
  std::vector<recorded_operation> all;
  for (const cli::operation& one : recording.trace.operations) {
    if (one.kind == cli::operation_kind::expiry) continue;
    all.push_back({cli::is_arming(one) ? one.delay_ns : -1, one.timer, 0});
  }
  if (all.empty()) throw std::runtime_error(trace + " holds no operation that could be replayed");
  timers_ = static_cast<std::uint32_t>(recording.trace.timers.size());
  const char* const folder = std::getenv("TMPDIR");
  path_ = std::string(folder != nullptr ? folder : "/tmp") + "/detent-bench-XXXXXX";
  const int made = mkstemp(path_.data());
  if (made < 0) throw std::runtime_error("cannot make a file like " + path_);
  close(made);
  std::ofstream out(path_, std::ios::binary);
  out.write(reinterpret_cast<const char*>(all.data()),
            static_cast<std::streamsize>(all.size() * sizeof(recorded_operation)));
  if (!out.flush()) throw std::runtime_error("cannot write " + path_);
}

replay_file::~replay_file() { std::remove(path_.c_str()); }

}  // namespace detent::bench
