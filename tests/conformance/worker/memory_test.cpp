// Memory that is short on the worker's thread: names may be lost, never a count, an answer, or the program.
#include <detent/worker.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <support/gate.hpp>

#include <gtest/gtest.h>

namespace {
thread_local bool is_short_of_memory = false;
}

// The whole set: what one of them gave, another takes back. Inlined, the compiler would take them for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return is_short_of_memory ? nullptr : std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* const place = operator new(size, std::nothrow);
  if (place == nullptr) throw std::bad_alloc();
  return place;
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t& none) noexcept {
  return operator new(size, none);
}
[[gnu::noinline]] void operator delete(void* place) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete(void* place, std::size_t) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete(void* place, const std::nothrow_t&) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete[](void* place) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete[](void* place, std::size_t) noexcept { std::free(place); }
[[gnu::noinline]] void operator delete[](void* place, const std::nothrow_t&) noexcept { std::free(place); }

namespace {

using detent::call_result;
using detent::post_result;

constexpr const char* long_name = "a name that is longer than what a string keeps in itself";

// What a task lets out is contained, though nothing can be allocated for its name.
TEST(worker_memory, a_task_throws_without_any) {
  detent::timer_service service;
  std::atomic<int> errors{0};
  detent::worker w(service, {.on_error = [&](const std::string&, std::exception_ptr) { errors.fetch_add(1); }});
  w.start();
  ASSERT_EQ(w.post(
                [] {
                  is_short_of_memory = true;
                  throw std::bad_alloc();
                },
                {.name = long_name}),
            post_result::accepted);
  EXPECT_EQ(w.call_and_wait([] { is_short_of_memory = false; }), call_result::done);
  EXPECT_EQ(w.report().items.threw, 1u);
}

// Children are asked and joined, and what is owned is released after that, though nothing can be noted of it.
TEST(worker_memory, it_ends_its_children_without_any) {
  detent::timer_service service;
  std::atomic<int> ended{0};
  detent::worker parent(service, {.name = "parent"});
  parent.on_cleanup([] { is_short_of_memory = false; }, long_name);
  parent.on_cleanup([&] { EXPECT_EQ(ended.load(), 2); }, long_name);
  detent::worker a(parent, service, {.name = long_name});
  detent::worker b(parent, service, {.name = long_name});
  for (detent::worker* child : {&a, &b}) {
    child->on_farewell([&] { ended.fetch_add(1); });
    child->start();
  }
  parent.start();
  ASSERT_EQ(parent.post([] { is_short_of_memory = true; }), post_result::accepted);
  EXPECT_TRUE(parent.shutdown(support::patience).complete);
  EXPECT_TRUE(a.report().complete);
  EXPECT_TRUE(b.report().complete);
}

// A worker ends without any: who waits is told, what is queued is counted, farewells are said.
TEST(worker_memory, it_ends_without_any) {
  detent::timer_service service;
  for (const detent::queue_end end : {detent::queue_end::discard, detent::queue_end::hand_over}) {
    detent::worker heir(service, {.name = "heir"});
    detent::worker w(service, {.name = "short", .at_end = end, .heir = &heir});
    support::gate busy;
    support::gate release;
    std::atomic<int> said{0};
    w.on_farewell([&] { said.fetch_add(1); }, long_name);
    w.on_farewell([] { is_short_of_memory = false; }, long_name);
    const detent::expectation e = w.expect([&](detent::reply_result) { said.fetch_add(1); }, long_name);
    w.start();
    ASSERT_EQ(w.post([&] {
      busy.open();
      release.pass();
      is_short_of_memory = true;
    }),
              post_result::accepted);
    busy.pass();
    for (int i = 0; i < 10; ++i) ASSERT_EQ(w.post([] {}, {.name = long_name}), post_result::accepted);
    std::atomic<call_result> answer{call_result::done};
    support::background waiter([&] { answer.store(w.call_and_wait([] {}, {.name = long_name})); });
    support::eventually([&] { return w.size() == 11; });
    w.stop();
    release.open();
    waiter.join();
    EXPECT_EQ(answer.load(), call_result::cancelled);
    const detent::worker_report report = w.shutdown(support::patience);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.items.cancelled, 1u);
    EXPECT_EQ(report.items.discarded, 10u);  // The heir needs memory for a name.
    EXPECT_EQ(said.load(), 2);
  }
}

}  // namespace
