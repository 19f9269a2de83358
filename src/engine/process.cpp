// process: a core's birth and death, its threads, and what a fork child finds.
#include "engine/core.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace detent::inline v0::detail {

namespace {

// The list of live cores. Constant-initialised and trivially destructible, so that services may be static objects.
struct process_state {
  mutex lock;
  core* alive DETENT_GUARDED_BY(lock) = nullptr;
  bool hooked DETENT_GUARDED_BY(lock) = false;
};
constinit process_state process;

// The lock is held across the fork, so the list in the child is whole.
void before_fork() DETENT_ACQUIRE(process.lock) { process.lock.lock(); }
void after_fork_in_parent() DETENT_RELEASE(process.lock) { process.lock.unlock(); }
void after_fork_in_child() DETENT_RELEASE(process.lock) {
  // Every core here belongs to threads that do not exist in this process. Its memory is left behind on purpose.
  for (core* c = process.alive; c != nullptr; c = c->next_alive) c->mark_forked();
  process.alive = nullptr;
  process.lock.unlock();
  forget_waits_in_child();
  forget_locks_in_child();
  innermost_call() = nullptr;
}

}  // namespace

void enlist(core* alive) noexcept {
  lock_guard guard(process.lock);
  if (!process.hooked) {
    process.hooked = true;
    static_cast<void>(platform::on_fork(&before_fork, &after_fork_in_parent, &after_fork_in_child));
  }
  alive->next_alive = process.alive;
  if (process.alive != nullptr) process.alive->prev_alive = alive;
  process.alive = alive;
}

void delist(core* dying) noexcept {
  lock_guard guard(process.lock);
  if (dying->is_gone()) return;
  (dying->prev_alive == nullptr ? process.alive : dying->prev_alive->next_alive) = dying->next_alive;
  if (dying->next_alive != nullptr) dying->next_alive->prev_alive = dying->prev_alive;
}

core::core(service_options&& options, manual_state* manual) noexcept
    : access_(options.sharing == sharing::one_thread ? access::alone : access::shared),
      options_(std::move(options)),
      manual_(manual),
      clocks_(manual == nullptr ? nullptr : manual->readings()),
      own_thread_(options_.drive == drive::own_thread && manual == nullptr),
      creator_(platform::this_thread()),
      registry_(access_),
      spin_(options_.spin_percent) {
  platform::name_this_thread(creator_name_);
}

void core::fail_on_wrong_thread() const noexcept {
  char name[16];
  platform::name_this_thread(name);
  std::fprintf(
      stderr,
      "detent: service '%s' was created with sharing::one_thread on thread '%s' and is used on thread '%s'; use "
      "sharing::any_thread, or stay on one thread\n",
      options_.name.c_str(), creator_name_, name);
  std::abort();
}

core::~core() {
  lock_order_.forget();
  for (auto& tokens : wheels_) delete tokens.load(memory_order_relaxed);  // The last share is gone: alone.
}

core* core::create(service_options&& options, manual_state* manual, std::error_code& error, const char** operation) {
  const bool own_thread = options.drive == drive::own_thread && manual == nullptr;
  *operation = "create a service";
  if (options.sharing == sharing::one_thread &&
      (own_thread || options.executor.which() == executor_choice::kind::pool)) {
    // The default executor is a pool; a service for one thread runs its callbacks there.
    if (own_thread) {
      *operation = "create a service for one thread: it has to be driven by the user (drive::by_user)";
      error = std::make_error_code(std::errc::invalid_argument);
      return nullptr;
    }
    options.executor = on_driver{};
  }
  auto* made = new (std::nothrow) core(std::move(options), manual);
  if (made == nullptr) {
    error = std::make_error_code(std::errc::not_enough_memory);
    return nullptr;
  }
  enlist(made);
  if (const int failed = made->start(operation); failed != 0) {
    error = std::error_code(failed, std::system_category());
    made->stop_threads();
    made->join_threads(false);
    made->unshare();
    return nullptr;
  }
  if (manual != nullptr) manual->join(made);
  return made;
}

int core::start(const char** operation) noexcept {
  platform::thread_traits traits;
  traits.policy = static_cast<platform::scheduling>(options_.priority.scheduling);
  traits.level = options_.priority.level;
  if (options_.executor.which() == executor_choice::kind::pool) {
    const pool_threads::work work{this, &core::next_entry, &core::run_pool_entry, &core::pool_thread_starts,
                                  &core::pool_thread_ends};
    *operation = "allocate the pool";
    pool_.reset(new (std::nothrow) pool_threads(work, options_.executor.threads()));
    if (pool_ == nullptr) return ENOMEM;
    for (unsigned i = 0; i < options_.executor.threads(); ++i) share();
    unsigned started = 0;
    const int error = pool_->start(options_.name, traits, operation, &started);
    return_shares(options_.executor.threads() - started);
    if (error != 0) return error;
  }
  if (options_.call_limit.count() > 0) {
    platform::thread_traits watching;
    watching.name = "detent-watchdog";
    share();
    if (const int error = watchdog_.start(watching, &core::watch_main, this, operation); error != 0) {
      return_shares(1);
      return error;
    }
  }
  if (own_thread_) {
    std::snprintf(driver_name_, sizeof driver_name_, "%.8s-driver", options_.name.c_str());
    traits.name = driver_name_;
    traits.exact_sleeps = true;
    share();
    if (const int error = driver_.start(traits, &core::drive_main, this, operation); error != 0) {
      return_shares(1);
      return error;
    }
  }
  return 0;
}

// Shares meant for threads that did not start. The creator still holds one: none of these is the last.
void core::return_shares(std::uint32_t count) noexcept {
  shares_.fetch_sub(count, memory_order_relaxed);  // N2: the creator's own comes after it.
}

void core::unshare() noexcept {
  if (shares_.fetch_sub(1, memory_order_acq_rel) != 1) return;  // N2
  delist(this);
  if (!is_gone()) delete this;
}

std::uint32_t& core::next_entry(void* self, std::uint32_t entry) noexcept {
  return static_cast<core*>(self)->registry_.link(entry).next;
}

bool core::run_pool_entry(void* self, std::uint32_t entry) noexcept {
  static_cast<core*>(self)->run_entry(entry);
  return !static_cast<core*>(self)->is_gone();
}

void core::pool_thread_starts(void* self, const char* name) noexcept { static_cast<core*>(self)->thread_starts(name); }

void core::pool_thread_ends(void* self) noexcept { static_cast<core*>(self)->unshare(); }

void core::watch_main(void* self) {
  auto* c = static_cast<core*>(self);
  c->watch_calls();
  c->unshare();
}

void core::thread_starts(const char* name) noexcept {
  if (!options_.on_thread_start) return;
#if DETENT_EXCEPTIONS
  try {
    options_.on_thread_start(name);
  } catch (...) {
    tallies_.threw.fetch_add(1, memory_order_relaxed);
  }
#else
  options_.on_thread_start(name);
#endif
}

}  // namespace detent::inline v0::detail
