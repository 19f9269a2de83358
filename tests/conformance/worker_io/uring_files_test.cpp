// Files of a worker through io_uring, by Asio: written in pieces under another name and renamed by the worker; given up
// when the worker stops. Where the kernel refuses io_uring the tests are skipped and say so: a transaction is the way
// that is always there. ASIO_HAS_IO_URING comes from the build, which found liburing.
#include <detent/worker.hpp>
#include <detent/worker_io.hpp>

#include <asio.hpp>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

#ifdef ASIO_HAS_IO_URING

namespace fs = std::filesystem;
using file = detent::io_object<asio::stream_file>;

// What the kernel says against it; nothing, if it has io_uring.
std::string refusal() {
  if (support::under_tsan) return "the thread sanitizer does not see what the kernel hands over";
  io_uring ring{};
  const int result = ::io_uring_queue_init(2, &ring, 0);
  if (result < 0) return std::error_code(-result, std::generic_category()).message();
  ::io_uring_queue_exit(&ring);
  return {};
}

TEST(uring_files, are_written_and_renamed) {
  if (const std::string why = refusal(); !why.empty()) GTEST_SKIP() << "no io_uring: " << why;
  std::string folder = testing::TempDir() + "detent-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string target = folder + "/target";
  const std::string staged = folder + "/target.new";
  std::ofstream(target) << "old";
  const std::string content(std::size_t{3} << 20, 'x');
  {
    detent::timer_service service;
    detent::worker w(service, {.name = "files"});
    detent::worker_io io(w);
    support::gate renamed;
    w.start();
    file out(io, staged, asio::stream_file::write_only | asio::stream_file::create);
    asio::async_write(out, asio::buffer(content),
                      io.on_worker<std::size_t>([&](const asio::error_code& error, std::size_t count) {
                        EXPECT_FALSE(error) << error.message();
                        EXPECT_EQ(count, content.size());
                        fs::rename(staged, target);
                        renamed.open();
                      }));
    renamed.pass();
    EXPECT_TRUE(w.shutdown(support::patience).complete);
    EXPECT_FALSE(out.is_open());
  }
  std::ifstream in(target, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), content);
  fs::remove_all(folder);
}

// A device that takes a little and then nothing more: the write ends with the worker, and its handler is called once.
TEST(uring_files, are_given_up_when_the_worker_stops) {
  if (const std::string why = refusal(); !why.empty()) GTEST_SKIP() << "no io_uring: " << why;
  constexpr std::size_t length = std::size_t{2} << 30;
  // Pages of zeros that are never touched: they cost nothing.
  void* const zeros = ::mmap(nullptr, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(zeros, MAP_FAILED);
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  detent::timer_service service;
  detent::worker w(service, {.name = "slow"});
  detent::worker_io io(w);
  w.start();
  file device(io, ends[1]);
  std::atomic<int> ended{0};
  std::atomic<std::size_t> written{0};
  asio::async_write(device, asio::buffer(zeros, length), [&](const asio::error_code& error, std::size_t count) {
    written.store(count);
    if (error) ended.fetch_add(1);
  });
  std::string piece(1 << 12, ' ');
  for (int i = 0; i < 3; ++i) ASSERT_GT(::read(ends[0], piece.data(), piece.size()), 0);
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_TRUE(report.undone_list.empty()) << report.text();
  EXPECT_EQ(ended.load(), 1);
  EXPECT_LT(written.load(), std::size_t{1} << 20);
  ::close(ends[0]);
  ::munmap(zeros, length);
}

#else

TEST(uring_files, need_liburing) { GTEST_SKIP() << "liburing (liburing-dev) was not there when this was built"; }

#endif

}  // namespace
