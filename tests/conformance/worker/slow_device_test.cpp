// A device that takes a long time for each piece: a stop gives up a long copy or write within one piece, and what was
// there before is there after. The device is this file's write(), fsync() and fdatasync(), which the library calls in
// place of the system's: slow to take what is written, or, where the system's memory takes it first, slow to flush it.
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

// Takes pieces one at a time, each when the test allows it.
struct slow_device {
  static constexpr std::size_t piece_bytes = std::size_t{1} << 20;
  std::atomic<bool> on{false};
  std::atomic<bool> is_buffered{false};  // the flush of a piece waits, not its write
  std::atomic<std::size_t> asked{0};
  std::atomic<std::size_t> allowed{0};
  std::atomic<std::size_t> unflushed{0};
  std::atomic<std::size_t> most_unflushed{0};
  std::atomic<int> flushes{0};

  void take_turn() {
    const std::size_t number = asked.fetch_add(1);
    support::eventually([&] { return allowed.load() > number; });
  }
  int flush() {
    flushes.fetch_add(1);
    if (on.load() && is_buffered.load() && unflushed.load() != 0) take_turn();
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
    if (!device.is_buffered.load()) device.take_turn();
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
  device.asked = 0;
  device.allowed = 0;
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

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// As a user has it who changes no option: each piece is flushed, into a file beside the target that takes its place
// when it is whole. A stop within a flush leaves the old file; without one the new file is whole.
TEST(slow_device, a_flushed_file_is_old_or_new) {
  constexpr std::size_t pieces = 5;
  const std::string fresh(pieces * slow_device::piece_bytes, 'x');
  for (const bool copies : {false, true}) {
    for (const bool stops : {false, true}) {
      std::string folder = testing::TempDir() + "detent-XXXXXX";
      ASSERT_NE(::mkdtemp(folder.data()), nullptr);
      const std::string source = folder + "/source";
      const std::string target = folder + "/target";
      std::ofstream(source) << fresh;
      std::ofstream(target) << "old";
      const auto staged_bytes = [&] {  // Of all that the transaction has beside the target.
        std::uintmax_t all = 0;
        for (const auto& entry : fs::directory_iterator(folder)) {
          if (entry.path().filename().string().starts_with(".detent-")) all += entry.file_size();
        }
        return all;
      };
      device.asked = 0;
      device.allowed = 0;
      device.unflushed = 0;
      device.is_buffered = true;
      device.on = true;
      detent::timer_service service;
      detent::worker disk(service, {.name = "disk"});
      std::atomic<int> outcome{-1};
      disk.start();
      ASSERT_EQ(disk.post([&](detent::work& now) {
        detent::transaction t(folder);
        copies ? t.copy(source, "target") : t.write("target", fresh);
        outcome = static_cast<int>(t.commit(now).outcome);
      }),
                detent::post_result::accepted);
      for (std::size_t piece = 1; piece <= (stops ? 2 : pieces); ++piece) {
        ASSERT_TRUE(support::eventually([&] { return device.asked.load() == piece; }));
        EXPECT_EQ(staged_bytes(), piece * slow_device::piece_bytes);
        EXPECT_EQ(content_of(target), "old");
        if (stops && piece == 2) disk.stop();
        device.allowed = piece;
      }
      EXPECT_TRUE(support::eventually([&] { return outcome.load() != -1; }));
      EXPECT_TRUE(disk.shutdown(support::patience).complete);
      device.on = false;
      device.is_buffered = false;
      using detent::transaction_result;
      EXPECT_EQ(outcome.load(),
                static_cast<int>(stops ? transaction_result::rolled_back : transaction_result::finished));
      EXPECT_EQ(device.asked.load(), stops ? 2u : pieces);  // After the stop no further piece is begun.
      EXPECT_TRUE(content_of(target) == (stops ? "old" : fresh));
      EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 2);
      fs::remove_all(folder);
    }
  }
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
