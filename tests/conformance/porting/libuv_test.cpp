// What docs/porting/libuv.md quotes, run: each piece before and after.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <support/gate.hpp>
#include <thread>
#include <utility>
#include <uv.h>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

// --- A timeout in an object that goes. ---

std::atomic<int> freed{0};

// [timeout_before]
struct uv_session {
  uv_timer_t idle;
  bool is_open = true;
  ~uv_session() { ++freed; }
};

uv_session* open(uv_loop_t* loop) {
  auto* made = new uv_session;
  uv_timer_init(loop, &made->idle);
  made->idle.data = made;
  return made;
}

void touch(uv_session* s) {
  const auto expire = [](uv_timer_t* t) { static_cast<uv_session*>(t->data)->is_open = false; };
  uv_timer_start(&s->idle, expire, 10, 0);  // from uv_now(), the time at which the loop looked last
}

void end(uv_session* s) {
  // The loop still uses the handle: only its close callback may free it, in a later turn.
  uv_close(reinterpret_cast<uv_handle_t*>(&s->idle), [](uv_handle_t* h) { delete static_cast<uv_session*>(h->data); });
}
// [/timeout_before]

// [timeout_after]
class session {
 public:
  explicit session(detent::timer_service& service) : idle_{service, [this] { is_open = false; }} {}

  void touch() { idle_.arm_after(10ms); }  // from now

  std::atomic<bool> is_open{true};

 private:
  detent::timer idle_;  // last: it goes first, and its destructor waits for a call in progress
};
// [/timeout_after]

TEST(FromLibuv, ATimeoutInAnObjectThatGoes) {
  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  uv_session* before = open(&loop);
  touch(before);
  touch(before);
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_FALSE(before->is_open);
  end(before);
  EXPECT_EQ(freed, 0);
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_EQ(freed, 1);
  EXPECT_EQ(uv_loop_close(&loop), 0);

  detent::manual_clock clock;
  detent::timer_service service{clock};
  auto after = std::make_unique<session>(service);
  after->touch();
  clock.advance(9ms);
  after->touch();
  clock.advance(9ms);
  EXPECT_TRUE(after->is_open);
  clock.advance(1ms);
  EXPECT_FALSE(after->is_open);
  after->touch();
  after.reset();
  EXPECT_EQ(clock.advance(1h), 0U);
}

// --- A series. ---

TEST(FromLibuv, ASeries) {
  int left = 3;
  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  // [series_before]
  uv_timer_t every;
  uv_timer_init(&loop, &every);
  every.data = &left;
  uv_timer_start(
      &every,
      [](uv_timer_t* t) {
        if (--*static_cast<int*>(t->data) == 0) uv_timer_stop(t);
      },
      0, 1);  // whole milliseconds; a late loop moves all later ticks
  uv_run(&loop, UV_RUN_DEFAULT);
  // [/series_before]
  EXPECT_EQ(left, 0);
  uv_close(reinterpret_cast<uv_handle_t*>(&every), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_EQ(uv_loop_close(&loop), 0);

  detent::manual_clock clock;
  detent::timer_service service{clock};
  left = 3;
  // [series_after]
  detent::timer series{service, [&](detent::firing& now) {
                         if (--left == 0) now.close();
                       }};
  detent::series_options at_once;
  at_once.first = 0ms;
  series.arm_every(1ms, at_once);  // keeps its phase; missed ticks are skipped, or as series_options::missed says
  // [/series_after]
  for (int i = 0; i < 10; ++i) clock.advance(1ms);
  EXPECT_EQ(left, 0);
}

// --- From another thread. ---

TEST(FromLibuv, FromAnotherThread) {
  // [thread_before]
  // Only the loop's thread may touch a timer. The others ask it to.
  struct door {
    uv_async_t ask;
    uv_timer_t timer;
    bool was_called = false;
  } d;
  uv_loop_t loop;
  uv_loop_init(&loop);
  uv_timer_init(&loop, &d.timer);
  uv_async_init(&loop, &d.ask, [](uv_async_t* ask) {
    auto* mine = static_cast<door*>(ask->data);
    uv_timer_start(
        &mine->timer, [](uv_timer_t* t) { static_cast<door*>(t->data)->was_called = true; }, 1, 0);
    uv_close(reinterpret_cast<uv_handle_t*>(ask), nullptr);
  });
  d.ask.data = d.timer.data = &d;
  std::thread other([&d] { uv_async_send(&d.ask); });
  uv_run(&loop, UV_RUN_DEFAULT);
  other.join();
  // [/thread_before]
  EXPECT_TRUE(d.was_called);
  uv_close(reinterpret_cast<uv_handle_t*>(&d.timer), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_EQ(uv_loop_close(&loop), 0);

  support::gate called;
  // [thread_after]
  detent::timer_service service;
  detent::timer timer{service, [&] { called.open(); }};
  std::thread any([&] { timer.arm_after(1ms); });
  // [/thread_after]
  EXPECT_TRUE(called.pass());
  any.join();
}

// --- In a libuv loop. ---

TEST(FromLibuv, CallbacksInItsLoop) {
  uv_loop_t loop;
  ASSERT_EQ(uv_loop_init(&loop), 0);
  int calls = 0;
  // [loop]
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};  // callbacks run inside run_due
  detent::timer_service service{std::move(options)};

  uv_poll_t due;
  due.data = &service;
  uv_poll_init(&loop, &due, service.fd());  // readable when run_due has something to do
  uv_poll_start(&due, UV_READABLE,
                [](uv_poll_t* p, int, int) { static_cast<detent::timer_service*>(p->data)->run_due(); });

  detent::timer timer{service, [&] {
                        if (++calls == 3) uv_poll_stop(&due);
                      }};
  timer.arm_every(1ms);
  uv_run(&loop, UV_RUN_DEFAULT);
  // [/loop]
  EXPECT_EQ(calls, 3);
  uv_close(reinterpret_cast<uv_handle_t*>(&due), nullptr);
  uv_run(&loop, UV_RUN_DEFAULT);
  EXPECT_EQ(uv_loop_close(&loop), 0);
}

}  // namespace
