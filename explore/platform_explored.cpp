// platform_explored: what the library asks of an operating system, answered by the execution in progress.
#include "explore/execution.hpp"
#include "explore/memory.hpp"
#include "platform/platform.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

extern "C" void __tsan_write4(void* at);  // races.cpp; NOLINT: the compiler's name

namespace detent::inline v0::detail {

void fail(const char* sentence, const char*, int) noexcept { explore::fail(sentence); }

namespace platform {

std::int64_t read_clock_ns(clock_id) noexcept { return explore::now_ns(); }

// Only code that is not of this build parks on a plain word.
bool park(const std::atomic<std::uint32_t>&, std::uint32_t, std::int64_t) noexcept { return false; }
void unpark(const std::atomic<std::uint32_t>&, int) noexcept {}
void yield() noexcept { explore::yield_thread(); }

int thread::start(const thread_traits& traits, void (*body)(void*), void* context, const char** operation) noexcept {
  *operation = "start a thread";
  handle_ = static_cast<std::uint64_t>(explore::start_thread(traits.name, body, context));
  running_.store(true, std::memory_order_relaxed);
  return 0;
}
bool thread::is_self() const noexcept {
  return is_running() && handle_ == static_cast<std::uint64_t>(explore::running_thread);
}
void thread::join() noexcept {
  if (!is_running()) return;
  explore::join_thread(static_cast<int>(handle_));
  running_.store(false, std::memory_order_relaxed);
}
bool thread::join_until(std::int64_t) noexcept {
  join();
  return true;
}
void thread::let_go() noexcept { running_.store(false, std::memory_order_relaxed); }

std::uint64_t this_thread() noexcept { return static_cast<std::uint64_t>(explore::running_thread) + 1; }
void name_this_thread(char (&name)[16]) noexcept { std::snprintf(name, sizeof name, "explored"); }

// A poll is a word that is counted up and slept on. Its number is plain memory: whoever uses it has to know by then.
// All clocks of an execution are one.
namespace {
struct poll {
  explore::plain<int> opened;
  sync_atomic<std::uint32_t> notified{0};
};
poll* the_poll = nullptr;
std::uint32_t seen = 0;
}  // namespace

int poll_set::open() noexcept {
  if (is_open()) return 0;
  the_poll = new poll;
  the_poll->opened.write(1);
  __tsan_write4(&poll_);  // The library reads it without asking us.
  poll_ = 0;
  for (std::int64_t& at : alarm_ns_) at = forever_ns;
  seen = 0;
  return 0;
}
void poll_set::close() noexcept {
  if (!is_open()) return;
  poll_ = -1;
  delete std::exchange(the_poll, nullptr);
}
void poll_set::notify() noexcept {
  if (!is_open()) explore::fail("a poll is notified that was not opened");
  static_cast<void>(the_poll->opened.read());
  the_poll->notified.fetch_add(1, memory_order_relaxed);
  unpark(the_poll->notified, 1);
}
void poll_set::set_alarm(clock_id clock, std::int64_t at_ns) noexcept {
  static_cast<void>(the_poll->opened.read());
  alarm_ns_[static_cast<std::size_t>(clock)] = at_ns;
}
bool poll_set::sleep(std::int64_t) noexcept {
  park(the_poll->notified, seen, *std::min_element(std::begin(alarm_ns_), std::end(alarm_ns_)));
  return true;
}
bool poll_set::drain() noexcept {
  seen = the_poll->notified.latest();
  return false;
}

void* allocate_pages(std::size_t bytes, paging) noexcept { return explore::memory::allocate(bytes, 64); }
void free_pages(void* pages, std::size_t) noexcept { explore::memory::free(pages); }

std::size_t read_stack(void**, std::size_t) noexcept { return 0; }
bool are_on_own_stack(const void*, const void*) noexcept { return true; }
void name_frame(void*, char* text, std::size_t size) noexcept {
  if (size != 0) *text = '\0';
}

// What the library does in a fork child, it does here before each execution: it forgets the one before.
int on_fork(void (*)(), void (*)(), void (*child)()) noexcept {
  explore::call_at_start(child);
  return 0;
}

}  // namespace platform

}  // namespace detent::inline v0::detail
