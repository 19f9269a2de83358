// The disk queue of examples/timeout_server: killed at random moments, no acknowledged line is lost, and no half of one
// stays; at an orderly end all that was accepted is in the file.
#include "disk_queue.hpp"

#include <detent/worker.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;
using timeout_server::disk_queue;

class folder {
 public:
  folder() : path_(testing::TempDir() + "detent-XXXXXX") { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> all;
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

// The number again and again, so that a line that was put together from two is recognised.
std::string line_of(std::uint64_t number, std::uint64_t times = 1) {
  std::string text;
  for (std::uint64_t i = 0; i <= number % 50 * times; ++i) text += std::to_string(number) + ' ';
  return text;
}

// Appends lines from `next` on until it is killed, and says of each that is stored.
[[noreturn]] void append_for_ever(const std::string& path, std::uint64_t next, int acknowledged,
                                  std::uint64_t times = 1) {
  detent::timer_service service;
  detent::worker disk(service, {.name = "disk", .queue_limit = 64});
  disk_queue queue(disk, path);
  disk.start();
  for (;; ++next) {
    queue.append(line_of(next, times), [next, acknowledged](bool whole) {
      if (!whole || ::write(acknowledged, &next, sizeof next) != static_cast<ssize_t>(sizeof next)) ::_exit(1);
    });
  }
}

TEST(disk_queue, is_killed_at_random) {
  if (!support::child_may_have_threads) GTEST_SKIP() << "a fork child cannot have threads here";
  const std::size_t rounds = support::is_long() ? 1000 : support::times(100, 20);
  std::mt19937 dice(std::random_device{}());
  const folder at;
  std::uint64_t next = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    if (round % 50 == 0) {
      fs::remove(at / "queue");
      next = 0;
    }
    std::array<int, 2> acknowledged{};
    ASSERT_EQ(::pipe(acknowledged.data()), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) append_for_ever(at / "queue", next, acknowledged[1]);
    ::close(acknowledged[1]);
    const auto read_one = [&](std::uint64_t& number) {
      return ::read(acknowledged[0], &number, sizeof number) == static_cast<ssize_t>(sizeof number);
    };
    std::uint64_t acknowledged_count = next;
    std::uint64_t number = 0;
    const std::uint64_t enough = next + dice() % 100;  // The child is at it when it is killed.
    while (acknowledged_count <= enough && read_one(number)) acknowledged_count = number + 1;
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    while (read_one(number)) acknowledged_count = number + 1;
    ::close(acknowledged[0]);
    {
      detent::timer_service service;
      detent::worker disk(service, {.name = "disk"});
      const disk_queue recovered(disk, at / "queue");
    }
    const std::vector<std::string> lines = lines_of(at / "queue");
    ASSERT_GE(lines.size(), acknowledged_count);
    for (std::size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i], line_of(i));
    next = lines.size();
  }
}

// A handover: successors open the file, and append to it, while a predecessor does, which is killed in the end, perhaps
// within a line. What each of them has acknowledged is there, whole and once.
TEST(disk_queue, is_handed_over_while_another_appends) {
  if (!support::child_may_have_threads) GTEST_SKIP() << "a fork child cannot have threads here";
  constexpr std::uint64_t times = 100;  // The longest line is of some 30 kB.
  constexpr std::uint64_t first_of_successors = 1'000'000;
  const std::uint64_t successors = support::times(300, 100);
  const folder at;
  std::array<int, 2> acknowledged{};
  ASSERT_EQ(::pipe(acknowledged.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) append_for_ever(at / "queue", 0, acknowledged[1], times);
  ::close(acknowledged[1]);
  std::set<std::uint64_t> stored;
  std::thread reader([&] {
    std::uint64_t number = 0;
    while (::read(acknowledged[0], &number, sizeof number) == static_cast<ssize_t>(sizeof number)) {
      stored.insert(number);
    }
  });
  for (std::uint64_t number = first_of_successors; number < first_of_successors + successors; ++number) {
    detent::timer_service service;
    detent::worker disk(service, {.name = "disk"});
    disk_queue queue(disk, at / "queue");
    disk.start();
    std::atomic<bool> whole{false};
    EXPECT_EQ(queue.append(line_of(number, times), [&](bool is) { whole = is; }), detent::post_result::accepted);
    EXPECT_TRUE(disk.shutdown(support::patience).complete);
    EXPECT_TRUE(whole.load());
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  reader.join();
  ::close(acknowledged[0]);
  EXPECT_FALSE(stored.empty());
  for (std::uint64_t n = 0; n < successors; ++n) stored.insert(first_of_successors + n);
  {
    detent::timer_service service;
    detent::worker disk(service, {.name = "disk"});
    const disk_queue recovered(disk, at / "queue");
  }
  std::set<std::uint64_t> found;
  for (const std::string& line : lines_of(at / "queue")) {
    const std::uint64_t number = std::strtoull(line.c_str(), nullptr, 10);
    ASSERT_EQ(line, line_of(number, times));
    EXPECT_TRUE(found.insert(number).second) << number;
  }
  std::vector<std::uint64_t> lost;
  std::set_difference(stored.begin(), stored.end(), found.begin(), found.end(), std::back_inserter(lost));
  EXPECT_EQ(lost.size(), 0u) << "of " << stored.size();
}

TEST(disk_queue, empties_before_its_worker_ends) {
  const folder at;
  constexpr std::uint64_t count = 500;
  std::uint64_t stored = 0;  // of the disk's thread
  {
    detent::timer_service service;
    detent::worker disk(service, {.name = "disk"});
    disk_queue queue(disk, at / "queue");
    for (std::uint64_t i = 0; i < count; ++i) {
      ASSERT_EQ(queue.append(line_of(i), [&stored](bool whole) { stored += whole ? 1 : 0; }),
                detent::post_result::accepted);
    }
    disk.start();
    EXPECT_TRUE(disk.shutdown(support::patience).complete);
    EXPECT_EQ(stored, count);
    EXPECT_EQ(queue.lines_stored(), count);
    EXPECT_EQ(queue.append("late"), detent::post_result::stopping);
  }
  EXPECT_EQ(lines_of(at / "queue").size(), count);
}

// Half a line at the end is cut off, a whole file is left as it is.
TEST(disk_queue, cuts_off_half_a_line) {
  const folder at;
  for (const char* content : {"", "half", "one\ntwo\n", "one\ntwo\nhal"}) {
    std::ofstream(at / "queue", std::ios::trunc) << content;
    detent::timer_service service;
    detent::worker disk(service, {.name = "disk"});
    const disk_queue queue(disk, at / "queue");
    EXPECT_EQ(lines_of(at / "queue").size(), content[0] == 'o' ? 2u : 0u) << content;
  }
}

}  // namespace
