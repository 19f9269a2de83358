// loop: the queue of `script_loop`.
#include <detent/script_loop.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

DETENT_BEGIN_NAMESPACE

struct script_loop::body {
  std::optional<script_task> take_locked() {
    if (queue.empty()) return std::nullopt;
    std::optional<script_task> first(std::move(queue.front()));
    queue.pop_front();
    ++begun_count;
    return first;
  }

  std::atomic<std::thread::id> owner{std::this_thread::get_id()};  // only compared with the asking thread's own id
  std::mutex lock;
  std::condition_variable changed;  // of what `lock` guards
  std::deque<script_task> queue;    // guarded by `lock`
  bool stopped = false;             // guarded by `lock`
  bool resting = false;             // guarded by `lock`
  std::uint64_t begun_count = 0;    // guarded by `lock`
};

script_loop::script_loop() : body_(std::make_unique<body>()) {}
script_loop::~script_loop() = default;

void script_loop::adopt() noexcept { body_->owner.store(std::this_thread::get_id(), std::memory_order_relaxed); }

bool script_loop::is_own_thread() const noexcept {
  return body_->owner.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void script_loop::post(script_task work) {
  // Told under the lock: the loop may be gone as soon as its thread has taken the last work.
  const std::lock_guard guard(body_->lock);
  body_->queue.push_back(std::move(work));
  body_->changed.notify_one();
}

void script_loop::stop() noexcept {
  const std::lock_guard guard(body_->lock);
  body_->stopped = true;
  body_->changed.notify_one();
}

void script_loop::run(const detail::hook<bool()>& goes_on) {
  for (;;) {
    std::optional<script_task> work;
    {
      std::unique_lock guard(body_->lock);
      if (body_->stopped) return;
      work = body_->take_locked();
      body_->resting = !work;
    }
    if (!work) {
      if (!goes_on()) return;
      std::unique_lock guard(body_->lock);
      body_->changed.wait(guard, [this] { return body_->stopped || !body_->queue.empty(); });
      continue;
    }
    (*work)();
  }
}

bool script_loop::is_resting() const {
  const std::lock_guard guard(body_->lock);
  return body_->resting && body_->queue.empty();
}

std::uint64_t script_loop::begun_count() const {
  const std::lock_guard guard(body_->lock);
  return body_->begun_count;
}

bool script_loop::has_work() const {
  const std::lock_guard guard(body_->lock);
  return !body_->queue.empty();
}

bool script_loop::run_one() {
  std::optional<script_task> work;
  {
    const std::lock_guard guard(body_->lock);
    work = body_->take_locked();
  }
  if (work) (*work)();
  return work.has_value();
}

void script_loop::run_posted() {
  while (run_one()) {
  }
}

DETENT_END_NAMESPACE
