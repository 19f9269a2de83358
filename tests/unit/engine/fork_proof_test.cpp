// What a fork child does with its parent's tasks, firings and exceptions while a thread that exists in the parent only
// holds a registry lock. That thread stands at a chaos point inside `arm_every`.
#include "engine/engine.hpp"

#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <support/child.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <thread>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

std::atomic<std::thread::id> armer{};
std::atomic<support::gate*> holds{};
std::atomic<support::gate*> lets_go{};

void between(detent::detail::chaos_at point) noexcept {
  if (point != detent::detail::chaos_at::arm_T1 || armer.load() != std::this_thread::get_id()) return;
  holds.load()->open();
  lets_go.load()->pass();
}

// Records whose indices follow each other share a lock. `body` answers whether it comes back in a fork child, which has
// no such thread and leaves all this as it is.
template <class Body>
void while_another_thread_arms(detent::timer& armed, Body body) {
  support::gate inside;
  support::gate leave;
  holds = &inside;
  lets_go = &leave;
  detent::detail::set_chaos_hook(&between);
  auto holder = std::make_unique<support::background>([&] {
    armer = std::this_thread::get_id();
    armed.arm_every(1h);
  });
  EXPECT_TRUE(inside.pass());
  if (body()) {
    static_cast<void>(holder.release());
    return;
  }
  leave.open();
  holder.reset();
  detent::detail::set_chaos_hook(nullptr);
  armer = std::thread::id();
}

TEST(fork_child, drops_the_tasks_that_its_parent_keeps) {
  support::held_executor keeps;
  detent::service_options options;
  options.executor = keeps;
  detent::timer_service service(std::move(options));
  detent::timer kept(service, [] {});
  detent::timer armed(service, [] {});
  kept.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return keeps.size() == 1; }));
  while_another_thread_arms(armed, [&] {
    EXPECT_EQ(support::in_child([&] {
                keeps.drop_all();
                return 0;
              }),
              support::exited(0));
    return false;
  });
  EXPECT_EQ(keeps.run_all(), 1U);
}

TEST(fork_child, detaches_and_throws_in_its_callback) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  support::child_end end{};
  detent::timer armed(service, [] {});
  detent::timer t(service, [&](detent::firing& f) {
    while_another_thread_arms(armed, [&] {
      end = support::in_child([&] {
        f.detach();
        return 0;
      });
      return false;
    });
  });
  t.arm_after(0ns);
  service.run_due();
  EXPECT_EQ(end, support::exited(0));
#if DETENT_EXCEPTIONS
  // Out of the callback, in the child: what was thrown is nobody's.
  pid_t child = -1;
  detent::timer throws(service, [&] {
    while_another_thread_arms(armed, [&] {
      child = support::fork_patiently();
      return child == 0;
    });
    if (child == 0) throw std::runtime_error("in the child");
  });
  throws.arm_after(0ns);
  service.run_due();
  if (child == 0) ::_exit(0);
  ASSERT_GT(child, 0);
  int status = -1;
  EXPECT_TRUE(support::eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  if (!WIFEXITED(status)) ::kill(child, SIGKILL);
  EXPECT_EQ(service.counters().threw, 0U);
#endif
}

}  // namespace
