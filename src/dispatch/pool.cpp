#include "dispatch/pool.hpp"

#include <cerrno>
#include <cstdio>

namespace detent::inline v0::detail {

int pool_threads::start(const std::string& name, platform::thread_traits traits, const char** operation,
                        unsigned* started) noexcept {
  *operation = "allocate the pool";
  if (threads_ == nullptr) return ENOMEM;
  for (unsigned i = 0; i < count_; ++i) {
    worker& w = threads_[i];
    w.pool = this;
    std::snprintf(w.name, sizeof w.name, "%.10s-%u", name.c_str(), i);
    traits.name = w.name;
    if (const int error = w.thread.start(traits, &pool_threads::main, &w, operation); error != 0) {
      stop();
      join_until(platform::forever_ns);
      return error;
    }
    ++*started;
  }
  return 0;
}

void pool_threads::main(void* self) {
  auto* w = static_cast<worker*>(self);
  pool_threads* pool = w->pool;
  const work work = pool->work_;  // `on_end` may free the pool.
  work.on_start(work.context, w->name);
  if (pool->work_off()) work.on_end(work.context);
}

void pool_threads::post(std::uint32_t first, std::uint32_t last, std::uint32_t entries) noexcept {
  unsigned to_wake = 0;
  {
    lock_guard guard(lock_);
    work_.next_of(work_.context, last) = none;
    if (first_ == none) first_ = first;
    else work_.next_of(work_.context, last_) = first;
    last_ = last;
    to_wake = entries < sleeping_ ? entries : sleeping_;
  }
  chaos(chaos_at::unlock);
  if (to_wake != 0) work_came_.notify(static_cast<int>(to_wake));
}

bool pool_threads::work_off() noexcept {
  lock_.lock();
  for (;;) {
    if (first_ != none) {
      const std::uint32_t entry = first_;
      first_ = work_.next_of(work_.context, entry);
      ++running_;
      lock_.unlock();
      if (!work_.run(work_.context, entry)) return false;
      lock_.lock();
      --running_;
      continue;
    }
    const bool idle = running_ == 0;
    if (stopping_) break;
    const eventcount::ticket ticket = work_came_.prepare();
    ++sleeping_;
    lock_.unlock();
    if (idle) went_idle_.notify();
    work_came_.wait(ticket, platform::forever_ns);
    lock_.lock();
    --sleeping_;
  }
  lock_.unlock();
  went_idle_.notify();
  return true;
}

void pool_threads::wait_idle() noexcept {
  for (;;) {
    const eventcount::ticket ticket = went_idle_.prepare();
    {
      lock_guard guard(lock_);
      if (first_ == none && running_ == 0) return;
    }
    went_idle_.wait(ticket, platform::forever_ns);
  }
}

void pool_threads::stop() noexcept {
  {
    lock_guard guard(lock_);
    stopping_ = true;
  }
  work_came_.notify();
}

bool pool_threads::has_self() const noexcept {
  for (unsigned i = 0; i < count_; ++i) {
    if (threads_[i].thread.is_self()) return true;
  }
  return false;
}

bool pool_threads::join_until(std::int64_t until_ns) noexcept {
  bool all = true;
  for (unsigned i = 0; i < count_; ++i) {
    platform::thread& t = threads_[i].thread;
    if (!t.is_running() || t.is_self()) continue;
    if (until_ns == platform::forever_ns) t.join();
    else all = t.join_until(until_ns) && all;
  }
  return all;
}

bool pool_threads::let_self_go() noexcept {
  for (unsigned i = 0; i < count_; ++i) {
    if (!threads_[i].thread.is_self()) continue;
    threads_[i].thread.let_go();
    return true;
  }
  return false;
}

void pool_threads::let_all_go() noexcept {
  for (unsigned i = 0; i < count_; ++i) threads_[i].thread.let_go();
}

void pool_threads::forget() noexcept {
  for (unsigned i = 0; i < count_; ++i) threads_[i].thread.forget();
}

}  // namespace detent::inline v0::detail
