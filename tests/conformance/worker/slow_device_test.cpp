// A device that takes a long time for each piece: a stop gives up a long copy within one piece, and what was there
// before is there after. The device is this file's write(), fsync() and fdatasync(), which the library calls in place
// of the system's.
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
  std::atomic<std::size_t> unflushed{0};
  std::atomic<std::size_t> most_unflushed{0};
  std::atomic<int> flushes{0};

  int flush() {
    flushes.fetch_add(1);
    unflushed = 0;
    return 0;
  }
};
slow_device device;

}  // namespace

extern "C" int fsync(int) { return device.flush(); }
extern "C" int fdatasync(int) { return device.flush(); }

extern "C" ssize_t write(int fd, const void* bytes, std::size_t count) {
  if (device.on.load() && count == slow_device::piece_bytes) {
    const std::size_t number = device.asked.fetch_add(1);
    support::eventually([&] { return device.allowed.load() > number; });
    device.unflushed.fetch_add(count);
    if (device.unflushed.load() > device.most_unflushed.load()) device.most_unflushed = device.unflushed.load();
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

// One that is to survive a loss of power is flushed piece by piece: no flush takes longer than one piece does.
TEST(slow_device, no_flush_is_of_more_than_one_piece) {
  std::string folder = testing::TempDir() + "detent-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string source = folder + "/source";
  std::ofstream(source).put('\n');
  fs::resize_file(source, 5 * slow_device::piece_bytes);
  device.allowed = std::size_t{1} << 20;
  device.on = true;
  for (const bool copies : {false, true}) {
    device.unflushed = 0;
    device.most_unflushed = 0;
    detent::transaction t(folder);
    if (copies) {
      t.copy(source, "target");
    } else {
      t.write("target", std::string(5 * slow_device::piece_bytes, 'x'));
    }
    EXPECT_EQ(t.commit().outcome, detent::transaction_result::finished);
    EXPECT_EQ(device.most_unflushed.load(), slow_device::piece_bytes);
    EXPECT_EQ(device.unflushed.load(), 0u);
  }
  device.on = false;
  // What fits into one piece is flushed once: its content, the journal, and the directory twice.
  device.flushes = 0;
  detent::transaction small(folder);
  small.write("target", "small");
  EXPECT_EQ(small.commit().outcome, detent::transaction_result::finished);
  EXPECT_EQ(device.flushes.load(), 4);
  fs::remove_all(folder);
}

}  // namespace
