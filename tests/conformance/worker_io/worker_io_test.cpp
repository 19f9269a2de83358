// The stage `io` with Asio: what a worker has opened is cancelled with it, each handler is called once, and nothing
// stays open.
#include <detent/worker.hpp>
#include <detent/worker_io.hpp>

#include <array>
#include <asio.hpp>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using detent::worker_stage;
using pipe_end = asio::posix::stream_descriptor;

std::size_t entries_of(const char* folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

const detent::stage_report& io_of(const detent::worker_report& report) {
  return report.stages[static_cast<std::size_t>(worker_stage::io)];
}

const tcp::endpoint any_port{asio::ip::address_v4::loopback(), 0};

// An acceptor that waits, a connection that is read from, a pipe and a timer: one handler each, each told once.
TEST(worker_io, cancels_what_was_opened) {
  detent::timer_service service;
  const std::size_t files = entries_of("/proc/self/fd");
  const std::size_t threads = entries_of("/proc/self/task");
  std::atomic<int> aborted{0};
  {
    detent::worker w(service, {.name = "opened"});
    detent::worker_io io(w);
    w.start();
    detent::io_object<tcp::acceptor> acceptor(io, any_port);
    detent::io_object<tcp::socket> there(io);
    detent::io_object<tcp::socket> here(io);
    there.connect(acceptor.local_endpoint());
    acceptor.accept(here);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    detent::io_object<pipe_end> pipe(io, ends[0]);
    detent::io_object<asio::steady_timer> timer(io, 1h);
    tcp::socket never(io.context());
    char byte = 0;
    const auto told = [&](const asio::error_code& error, auto...) {
      if (error == asio::error::operation_aborted) aborted.fetch_add(1);
    };
    acceptor.async_accept(never, told);
    here.async_read_some(asio::buffer(&byte, 1), told);
    pipe.async_read_some(asio::buffer(&byte, 1), told);
    timer.async_wait(told);
    const detent::worker_report report = w.shutdown(support::patience);
    EXPECT_TRUE(report.complete) << report.text();
    EXPECT_TRUE(report.undone_list.empty()) << report.text();
    EXPECT_EQ(io_of(report).state, detent::stage_state::done);
    EXPECT_EQ(aborted.load(), 4);
    EXPECT_FALSE(acceptor.is_open());
    EXPECT_FALSE(pipe.is_open());
    ::close(ends[1]);
  }
  EXPECT_EQ(aborted.load(), 4);
  EXPECT_EQ(entries_of("/proc/self/fd"), files);
  EXPECT_TRUE(support::eventually([&] { return entries_of("/proc/self/task") == threads; }));
}

// A loop that its worker owns goes in the stage `resources`; what its handlers hold has gone before.
TEST(worker_io, is_owned_by_its_worker) {
  detent::timer_service service;
  const std::size_t files = entries_of("/proc/self/fd");
  std::atomic<int> aborted{0};
  detent::worker w(service, {.name = "owner"});
  detent::worker_io& io = *w.own(std::make_unique<detent::worker_io>(w));
  w.start();
  auto acceptor = std::make_shared<detent::io_object<tcp::acceptor>>(io, any_port);
  acceptor->async_accept([&aborted, acceptor](const asio::error_code& error, const tcp::socket&) {
    if (error == asio::error::operation_aborted) aborted.fetch_add(1);
  });
  acceptor.reset();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_EQ(aborted.load(), 1);
  EXPECT_EQ(entries_of("/proc/self/fd"), files);
}

// 2 GB into a pipe whose reader has stopped reading: the write ends at once, with the bytes that went out.
TEST(worker_io, gives_up_a_long_write_to_a_slow_device) {
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
  detent::io_object<pipe_end> pipe(io, ends[1]);
  std::atomic<std::size_t> written{0};
  std::atomic<int> ended{0};
  // It is aborted, or about to write its next piece to a descriptor that is closed.
  asio::async_write(pipe, asio::buffer(zeros, length), [&](const asio::error_code& error, std::size_t count) {
    written.store(count);
    if (error) ended.fetch_add(1);
  });
  // The device takes three pieces, then nothing more.
  std::vector<char> piece(1 << 12);
  for (int i = 0; i < 3; ++i) ASSERT_GT(::read(ends[0], piece.data(), piece.size()), 0);
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_EQ(io_of(report).state, detent::stage_state::done) << report.text();
  EXPECT_EQ(ended.load(), 1);
  EXPECT_LT(written.load(), std::size_t{1} << 20);
  ::close(ends[0]);
  ::munmap(zeros, length);
}

// `on_worker`: the worker's thread hears of each operation exactly once, whether it ends by itself or by the stop, with
// the stop racing.
TEST(worker_io, tells_the_worker_once) {
  detent::timer_service service;
  for (std::size_t round = 0; round < support::times(200, 40); ++round) {
    detent::worker w(service, {.name = "told"});
    detent::worker_io io(w);
    constexpr std::size_t operations = 20;
    std::size_t arrived = 0;  // of w's thread
    std::size_t aborted = 0;
    std::size_t elsewhere = 0;
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    detent::io_object<pipe_end> reader(io, ends[0]);
    detent::io_object<pipe_end> writer(io, ends[1]);
    std::array<char, operations> bytes{};
    w.start();
    for (char& byte : bytes) {
      reader.async_read_some(asio::buffer(&byte, 1),
                             io.on_worker<std::size_t>([&](const asio::error_code& error, std::size_t count) {
                               if (!w.is_current()) ++elsewhere;
                               if (error) ++aborted;
                               arrived += count;
                             }));
    }
    asio::write(writer, asio::buffer("1234567890", round % 11));
    const detent::worker_report report = w.shutdown(support::patience);
    EXPECT_TRUE(report.complete) << report.text();
    EXPECT_EQ(arrived + aborted, operations);
    EXPECT_LE(arrived, round % 11);
    EXPECT_EQ(elsewhere, 0u);
  }
}

// An object made after the end is closed; a handler of the worker that is made then is told at once.
TEST(worker_io, is_closed_after_the_end) {
  detent::timer_service service;
  detent::worker w(service, {.name = "late"});
  detent::worker_io io(w);
  w.start();
  EXPECT_TRUE(w.shutdown(support::patience).complete);
  detent::io_object<tcp::acceptor> acceptor(io, any_port);
  EXPECT_FALSE(acceptor.is_open());
  int told = 0;
  const auto handler = io.on_worker([&](const asio::error_code& error) {
    EXPECT_EQ(error, asio::error::operation_aborted);
    ++told;
  });
  EXPECT_EQ(told, 1);
  handler({});
  EXPECT_EQ(told, 1);
}

// What a handler begins after the close ends at once too, on whatever object: the loop waits for none of it.
TEST(worker_io, ends_what_is_begun_after_the_close) {
  detent::timer_service service;
  detent::worker w(service, {.name = "again"});
  detent::worker_io io(w);
  w.start();
  detent::io_object<asio::steady_timer> timer(io, 1h);
  detent::io_object<tcp::acceptor> acceptor(io, any_port);
  detent::io_object<asio::ip::udp::socket> socket(io, asio::ip::udp::v4());
  detent::io_object<tcp::resolver> resolver(io);
  tcp::socket never(io.context());
  std::vector<asio::error_code> told;  // of the loop's thread
  int closed = 0;
  char byte = 0;
  timer.async_wait([&](const asio::error_code&) {
    timer.expires_after(1h);
    timer.async_wait([&](const asio::error_code& error) {
      told.push_back(error);
      timer.expires_after(1h);
      timer.async_wait([&](const asio::error_code& last) { told.push_back(last); });
    });
    acceptor.async_accept(never, [&](const asio::error_code& error) {
      EXPECT_EQ(error, asio::error::bad_descriptor);
      ++closed;
    });
    socket.open(asio::ip::udp::v4());  // Open again: that is closed, too.
    socket.bind({asio::ip::address_v4::loopback(), 0});
    socket.async_receive(asio::buffer(&byte, 1),
                         [&](const asio::error_code& error, std::size_t) { told.push_back(error); });
    resolver.async_resolve("127.0.0.1", "80", [&](const asio::error_code& error, const tcp::resolver::results_type&) {
      EXPECT_TRUE(!error || error == asio::error::operation_aborted) << error;  // It may have been quicker.
      ++closed;
    });
  });
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_EQ(io_of(report).state, detent::stage_state::done) << report.text();
  EXPECT_EQ(closed, 2);
  EXPECT_EQ(told, std::vector<asio::error_code>(3, asio::error::operation_aborted));
}

// What is begun when the loop has ended is never called, and goes with the loop; a function of the worker is told.
TEST(worker_io, calls_no_handler_after_its_end) {
  detent::timer_service service;
  detent::worker w(service, {.name = "over"});
  const auto held = std::make_shared<int>(0);
  int told = 0;
  {
    detent::worker_io io(w);
    w.start();
    EXPECT_TRUE(w.shutdown(support::patience).complete);
    detent::io_object<asio::steady_timer> timer(io, 1h);
    detent::io_object<tcp::socket> socket(io);
    timer.async_wait([held](const asio::error_code&) { ++*held; });
    socket.async_wait(tcp::socket::wait_read, [held](const asio::error_code&) { ++*held; });
    timer.async_wait(io.on_worker([&](const asio::error_code& error) {
      EXPECT_EQ(error, asio::error::operation_aborted);
      ++told;
    }));
    EXPECT_EQ(told, 1);
    EXPECT_EQ(held.use_count(), 3);
  }
  EXPECT_EQ(*held, 0);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(told, 1);
}

// A handler that does not return makes the stage overdue and is named; one that throws ends nothing.
TEST(worker_io, names_a_loop_that_does_not_end) {
  detent::timer_service service;
  std::atomic<int> errors{0};
  detent::worker_options options{.name = "stuck", .limits = {.io = 10ms}};
  options.on_error = [&](const std::string& what, std::exception_ptr) { errors.fetch_add(what == "io" ? 1 : 0); };
  detent::worker w(service, std::move(options));
  detent::worker_io io(w, "slow handlers");
  support::gate inside;
  support::gate release;
  w.start();
  asio::post(io.context(), [] { throw std::runtime_error("handler"); });
  asio::post(io.context(), [&] {
    inside.open();
    release.pass();
  });
  inside.pass();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(io_of(report).state, detent::stage_state::overdue);
  EXPECT_NE(report.text().find("slow handlers"), std::string::npos) << report.text();
  EXPECT_EQ(errors.load(), 1);
  release.open();
}

}  // namespace
