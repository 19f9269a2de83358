// disk_queue: lines that a worker writes behind its callers' backs, to the end of one file.
//
// Whoever appends goes on at once. A line counts as stored when the kernel has it: then it survives a kill -9 of this
// program, and `stored` is called. A kill in the middle of a line leaves half of it at the end, which whoever comes
// next cuts off; it had not been acknowledged.
//
// Several programs may have the file open, as in a handover: each line is written under a lock of the file (flock),
// which a kill gives up. Under it nobody else is within a line, so that half a line is of the dead.
#pragma once

#include <detent/worker.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace timeout_server {

class disk_queue {
 public:
  // Requires: `disk` has not been started; it runs one task at once, so only its thread writes.
  disk_queue(detent::worker& disk, const std::string& path)
      : disk_(disk), fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (fd_ < 0) refuse("open " + path);
    disk_.on_cleanup([fd = fd_] { ::close(fd); }, path);
    const turn alone(fd_);
    if (!alone.taken || end_of_whole_lines() < 0) refuse("recover " + path);
  }
  disk_queue(const disk_queue&) = delete;
  disk_queue& operator=(const disk_queue&) = delete;

  // Takes a line without its end. `stored(true)` is called on the disk's thread when it is in the file, `stored(false)`
  // when the disk refused it. Neither is called when the answer is not `accepted`, nor when the worker ends first.
  template <class Stored>
  detent::post_result append(std::string line, Stored stored) {
    line += '\n';
    return disk_.post(
        [this, line = std::move(line), stored = std::move(stored)]() mutable {
          const bool whole = write_whole(line);
          if (whole) lines_stored_.fetch_add(1, std::memory_order_relaxed);
          stored(whole);
        },
        {.name = "append"});
  }
  detent::post_result append(std::string line) {
    return append(std::move(line), [](bool) {});
  }

  std::uint64_t lines_stored() const noexcept { return lines_stored_.load(std::memory_order_relaxed); }

 private:
  [[noreturn]] static void refuse(const std::string& what) {
    throw std::system_error(errno, std::generic_category(), what);
  }

  // The file is this program's while it stands. Blocks while another program writes a line.
  struct turn {
    explicit turn(int of) noexcept : fd(of) {
      int result = 0;
      do result = ::flock(fd, LOCK_EX);
      while (result != 0 && errno == EINTR);
      taken = result == 0;
    }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;
    ~turn() {
      if (taken) ::flock(fd, LOCK_UN);
    }
    const int fd;
    bool taken;
  };

  // A line that the disk takes only in part is taken back: the next one begins at the beginning of a line.
  bool write_whole(const std::string& line) noexcept {
    const turn alone(fd_);
    const off_t begin = alone.taken ? end_of_whole_lines() : -1;
    if (begin < 0) return false;
    std::size_t written = 0;
    while (written < line.size()) {
      const ssize_t count = ::write(fd_, line.data() + written, line.size() - written);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return ::ftruncate(fd_, begin) == 0 && false;
      written += static_cast<std::size_t>(count);
    }
    return true;
  }

  // Where the last whole line ends, once the half behind it is cut off; -1 when the disk refuses. Under the lock.
  off_t end_of_whole_lines() const noexcept {
    struct stat found {};
    if (::fstat(fd_, &found) != 0) return -1;
    off_t end = found.st_size;
    for (char last = 0; end > 0; --end) {
      if (::pread(fd_, &last, 1, end - 1) != 1) return -1;
      if (last == '\n') break;
    }
    return end == found.st_size || ::ftruncate(fd_, end) == 0 ? end : -1;
  }

  detent::worker& disk_;
  const int fd_;  // closed by the worker, after everything that was queued
  std::atomic<std::uint64_t> lines_stored_{0};
};

}  // namespace timeout_server
