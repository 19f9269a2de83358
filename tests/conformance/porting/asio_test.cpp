// What docs/porting/asio.md quotes, run: each piece before and after.
#include <detent/detent.hpp>

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <memory>
#include <support/gate.hpp>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

// --- A timeout that is pushed back. ---

// [timeout_before]
class asio_session : public std::enable_shared_from_this<asio_session> {
 public:
  explicit asio_session(asio::io_context& io) : idle_(io) {}

  void touch() {
    idle_.expires_after(10ms);
    idle_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (error == asio::error::operation_aborted) return;
      if (self->idle_.expiry() > std::chrono::steady_clock::now()) return;  // it was queued when it was pushed back
      self->is_open = false;
    });
  }

  bool is_open = true;

 private:
  asio::steady_timer idle_;
};
// [/timeout_before]

// [timeout_after]
class session {
 public:
  explicit session(detent::timer_service& service) : idle_{service, [this] { is_open = false; }} {}

  void touch() { idle_.arm_after(10ms); }

  std::atomic<bool> is_open{true};

 private:
  detent::timer idle_;  // last: it goes first, and its destructor waits for a call in progress
};
// [/timeout_after]

TEST(FromAsio, ATimeoutThatIsPushedBack) {
  asio::io_context io;
  const auto before = std::make_shared<asio_session>(io);
  before->touch();
  before->touch();
  io.run();
  EXPECT_FALSE(before->is_open);

  detent::manual_clock clock;
  detent::timer_service service{clock};
  session after{service};
  after.touch();
  clock.advance(9ms);
  after.touch();
  clock.advance(9ms);
  EXPECT_TRUE(after.is_open);
  clock.advance(1ms);
  EXPECT_FALSE(after.is_open);
}

// --- What cancel says of a handler that is queued. ---

TEST(FromAsio, ACancelOfWhatIsQueued) {
  bool was_called = false;
  std::size_t cancelled = 1;
  {
    asio::io_context io;
    // [cancel_before]
    asio::steady_timer first{io, 0ms};
    asio::steady_timer second{io, 0ms};
    first.async_wait([&](const asio::error_code&) { cancelled = second.cancel(); });
    second.async_wait([&](const asio::error_code& error) { was_called = !error; });
    io.run();  // both handlers are queued at once: the cancel answers 0, and the second one is told of success
    // [/cancel_before]
  }
  EXPECT_EQ(cancelled, 0U);
  EXPECT_TRUE(was_called);

  detent::manual_clock clock;
  detent::timer_service service{clock};
  detent::cancel_result found = detent::cancel_result::idle;
  was_called = false;
  // [cancel_after]
  detent::timer second{service, [&] { was_called = true; }};
  detent::timer first{service, [&] { found = second.cancel(); }};
  first.arm_after(0ms);
  second.arm_after(0ms);
  clock.settle();  // the first call withdraws the second, queued or not
  // [/cancel_after]
  EXPECT_EQ(found, detent::cancel_result::cancelled);
  EXPECT_FALSE(was_called);
}

// --- A series. ---

// [series_before]
void tick(asio::steady_timer& timer, int& left) {
  timer.async_wait([&timer, &left](const asio::error_code& error) {
    if (error || --left == 0) return;
    timer.expires_at(timer.expiry() + 1ms);  // expires_after would drift
    tick(timer, left);
  });
}
// [/series_before]

TEST(FromAsio, ASeries) {
  asio::io_context io;
  asio::steady_timer timer{io, 1ms};
  int left = 3;
  tick(timer, left);
  io.run();
  EXPECT_EQ(left, 0);

  detent::manual_clock clock;
  detent::timer_service service{clock};
  left = 3;
  // [series_after]
  detent::timer series{service, [&](detent::firing& now) {
                         if (--left == 0) now.close();
                       }};
  series.arm_every(1ms);  // keeps its phase; missed ticks are skipped, or as series_options::missed says
  // [/series_after]
  for (int i = 0; i < 10; ++i) clock.advance(1ms);
  EXPECT_EQ(left, 0);
}

// --- A timer whose owner goes. ---

TEST(FromAsio, TheOwnerGoes) {
  asio::io_context io;
  bool was_told = false;
  // [owner_before]
  auto owner = std::make_shared<asio::steady_timer>(io, 1h);
  owner->async_wait([&](const asio::error_code& error) { was_told = error == asio::error::operation_aborted; });
  owner.reset();
  io.run();  // the handler runs now, when its timer, and what owned it, are gone
  // [/owner_before]
  EXPECT_TRUE(was_told);

  detent::timer_service service;
  support::gate inside;
  int calls = 0;  // not atomic: the destructor orders it
  // [owner_after]
  {
    detent::timer owned{service, [&] { inside.open(), ++calls; }};
    owned.arm_after(0ms);
    inside.pass();
  }  // the call in progress has ended, and none will begin
  // [/owner_after]
  EXPECT_EQ(calls, 1);
}

// --- In the threads of an io_context. ---

// [loop]
// The descriptor is readable when run_due has something to do.
void drive(asio::posix::stream_descriptor& due, detent::timer_service& service) {
  due.async_wait(asio::posix::stream_descriptor::wait_read, [&due, &service](const asio::error_code& error) {
    if (error) return;
    service.run_due();
    drive(due, service);
  });
}

detent::service_options driven_by_a_loop() {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};  // callbacks run inside run_due
  return options;
}
// [/loop]

TEST(FromAsio, CallbacksInAnIoContext) {
  // [loop_run]
  asio::io_context io;
  detent::timer_service service{driven_by_a_loop()};
  asio::posix::stream_descriptor due{io, ::dup(service.fd())};  // a copy: asio closes what it is given
  drive(due, service);
  int calls = 0;
  detent::timer timer{service, [&] {
                        if (++calls == 3) io.stop();
                      }};
  timer.arm_every(1ms);
  io.run();
  // [/loop_run]
  EXPECT_EQ(calls, 3);
}

}  // namespace
