// A device that takes a long time for each piece: a stop gives up a long copy within one piece, and what was there
// before is there after. The device is this file's write(), which the library calls in place of the system's.
#include <detent/transaction.hpp>
#include <detent/worker.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <support/gate.hpp>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

// Takes writes of a whole piece one at a time, each when the test allows it.
struct slow_device {
  static constexpr std::size_t piece_bytes = std::size_t{1} << 20;
  std::atomic<bool> on{false};
  std::atomic<std::size_t> asked{0};
  std::atomic<std::size_t> allowed{0};
};
slow_device device;

}  // namespace

extern "C" ssize_t write(int fd, const void* bytes, std::size_t count) {
  if (device.on.load() && count == slow_device::piece_bytes) {
    const std::size_t number = device.asked.fetch_add(1);
    support::eventually([&] { return device.allowed.load() > number; });
  }
  return ::syscall(SYS_write, fd, bytes, count);
}

namespace {

TEST(slow_device, a_stop_gives_up_within_one_piece) {
  std::string folder = testing::TempDir() + "detent-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string source = folder + "/source";
  const std::string target = folder + "/target";
  std::ofstream(source).put('\n');
  fs::resize_file(source, std::uintmax_t{2} << 30);  // 2 GB that take no room
  std::ofstream(target) << "old";

  detent::timer_service service;
  detent::worker disk(service, {.name = "disk"});
  std::atomic<int> outcome{-1};
  disk.start();
  device.on = true;
  ASSERT_EQ(disk.post([&](detent::work& now) {
    detent::transaction t(folder, {.flushed = false});
    t.copy(source, "target");
    outcome = static_cast<int>(t.commit(now).outcome);
  }),
            detent::post_result::accepted);
  device.allowed = 3;
  ASSERT_TRUE(support::eventually([] { return device.asked.load() == 4; }));
  disk.stop();
  EXPECT_EQ(outcome.load(), -1);  // The device has not taken the fourth piece yet.
  device.allowed = 4;
  EXPECT_TRUE(disk.shutdown(support::patience).complete);
  device.on = false;
  EXPECT_EQ(outcome.load(), static_cast<int>(detent::transaction_result::rolled_back));
  EXPECT_EQ(device.asked.load(), 4u);
  std::string content;
  std::ifstream(target) >> content;
  EXPECT_EQ(content, "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);  // No trace is left.
  fs::remove_all(folder);
}

}  // namespace
