// G04 From inside its own callback every verb is legal, none blocks, none deadlocks; the callable is destroyed after it
// has returned.
//
// Method: one act after the other is played inside a callback, on a service of every kind: driver, pool, manual clock,
// the user's loop with one thread and with any, and users' executors. The test itself drives the loop, so an act that
// blocked would hang it. A canary in the captures must be alive when the act is over and gone, once, after the call.
#include <detent/bound.hpp>
#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <support/canary.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::arm_result;
using detent::cancel_result;
using detent::firing;
using detent::stop_result;
using detent::then_result;
using detent::timer;
using detent::timer_group;
using detent::timer_id;
using detent::timer_service;
using detent::timer_state;
using detent::wait_result;

class G04_inside : public support::on_scene {
 protected:
  // Plays `act` inside the first call of `t`, a timer that has a canary, and comes back after that call.
  template <class Act>
  void inside(Act act) {
    std::atomic<bool> over{false};
    std::atomic<int> call{0};
    support::gate armed;  // The test's own use of the handle is over: the act may destroy it.
    t = std::make_unique<timer>(*group, [this, act, &over, &call, &armed, bird = support::canary(birds)](firing& f) {
      if (call.fetch_add(1) != 0) return;
      armed.pass();
      act(f);
      EXPECT_EQ(birds.alive(), 1) << "the callable was destroyed in its own call";
      over.store(true);
    });
    t->arm_after(0ns);
    armed.open();
    play.until([&] { return over.load(); });
    if (t != nullptr && *t) {
      if (play.holder() != nullptr) play.until([&] { return t->status() != timer_state::running; });
      EXPECT_EQ(t->close_and_wait_for(support::patience).wait, wait_result::quiet);
    }
    play.until([&] { return birds.alive() == 0; });
    EXPECT_EQ(birds.gone(), 1);
    t.reset();
  }

  support::cage birds;
  std::optional<timer_group> parent{std::in_place, service};
  std::optional<timer_group> group{std::in_place, *parent};
  std::unique_ptr<timer> t;
};

// --- The verbs
// ---------------------------------------------------------------------------------------------------------

TEST_P(G04_inside, cancel) {
  inside([this](firing&) {
    EXPECT_EQ(t->cancel(), cancel_result::running);
    t->arm_after(1h);
    EXPECT_EQ(t->cancel(), cancel_result::cancelled_running);
    EXPECT_EQ(t->cancel(), cancel_result::running);
  });
}

TEST_P(G04_inside, arm) {
  inside([this](firing&) {
    EXPECT_EQ(t->arm_after(1h), arm_result::armed);
    EXPECT_EQ(t->arm_after(2h), arm_result::rearmed);
    EXPECT_EQ(t->arm_every(1h), arm_result::rearmed);
    EXPECT_EQ(t->arm_every(0ns), arm_result::refused);
    EXPECT_EQ(t->arm_at(service.now() + 1h), arm_result::rearmed);
    EXPECT_EQ(t->status(), timer_state::running);
  });
}

TEST_P(G04_inside, close) {
  inside([this](firing&) {
    EXPECT_EQ(t->close(), cancel_result::running);
    EXPECT_EQ(t->close(), cancel_result::closed);
    EXPECT_EQ(t->cancel(), cancel_result::closed);
    EXPECT_EQ(t->arm_after(0ns), arm_result::closed);
    EXPECT_EQ(t->arm_every(1s), arm_result::closed);
  });
}

TEST_P(G04_inside, close_through_the_firing) {
  inside([this](firing& f) {
    f.close();
    f.close();
    EXPECT_EQ(t->arm_after(0ns), arm_result::closed);
  });
}

TEST_P(G04_inside, cancel_and_wait) {
  inside([this](firing&) {
    const detent::cancel_answer got = t->cancel_and_wait();
    EXPECT_EQ(got.outcome, cancel_result::running);
    EXPECT_EQ(got.wait, wait_result::from_callback);
    t->arm_after(1h);
    EXPECT_EQ(t->cancel_and_wait_for(1h).outcome, cancel_result::cancelled_running);
  });
}

TEST_P(G04_inside, close_and_wait) {
  inside([this](firing&) {
    const detent::cancel_answer got = t->close_and_wait();
    EXPECT_EQ(got.outcome, cancel_result::running);
    EXPECT_EQ(got.wait, wait_result::from_callback);
    const detent::cancel_answer again = t->close_and_wait_for(1h);
    EXPECT_EQ(again.outcome, cancel_result::closed);
    EXPECT_EQ(again.wait, wait_result::from_callback);
  });
}

TEST_P(G04_inside, wait) {
  inside([this](firing&) {
    EXPECT_EQ(t->wait(), wait_result::from_callback);
    EXPECT_EQ(t->wait_for(1h), wait_result::from_callback);
    t->arm_after(1h);
    EXPECT_EQ(t->wait(), wait_result::from_callback);
  });
}

TEST_P(G04_inside, stop) {
  inside([this](firing& f) {
    EXPECT_FALSE(f.token().stop_requested());
    EXPECT_EQ(t->stop(), stop_result::asked);
    EXPECT_TRUE(f.token().stop_requested());
  });
}

TEST_P(G04_inside, cancel_does_not_ask_the_call_to_stop_and_close_does) {
  inside([this](firing& f) {
    t->cancel();
    EXPECT_FALSE(f.token().stop_requested());
    t->close();
    EXPECT_TRUE(f.token().stop_requested());
  });
}

TEST_P(G04_inside, every_verb_by_id) {
  inside([this](firing& f) {
    const timer_id id = f.id();
    EXPECT_EQ(id, t->id());
    EXPECT_EQ(service.status(id), timer_state::running);
    EXPECT_EQ(service.cancel(id), cancel_result::running);
    EXPECT_EQ(service.arm_after(id, 1h), arm_result::armed);
    EXPECT_EQ(service.arm_every(id, 1h), arm_result::rearmed);
    EXPECT_EQ(service.cancel_and_wait(id).wait, wait_result::from_callback);
    EXPECT_EQ(service.wait(id), wait_result::from_callback);
    EXPECT_EQ(service.stop(id), stop_result::asked);
    EXPECT_TRUE(service.info(id).has_value());
    EXPECT_EQ(service.close_and_wait(id).outcome, cancel_result::running);
    EXPECT_EQ(service.close_and_wait(id).wait, wait_result::from_callback);
    EXPECT_EQ(service.close(id), cancel_result::closed);
    EXPECT_EQ(service.arm_after(id, 0ns), arm_result::closed);
  });
}

TEST_P(G04_inside, close_then) {
  std::atomic<int> then{0};
  inside([&](firing&) {
    EXPECT_EQ(t->close_then([&] {
      EXPECT_EQ(birds.gone(), 1) << "it runs after the callable is gone";
      then.fetch_add(1);
    }),
              then_result::accepted);
    EXPECT_EQ(then.load(), 0);
  });
  play.until([&] { return then.load() == 1; });
}

TEST_P(G04_inside, the_group_s_verbs) {
  inside([this](firing&) {
    EXPECT_EQ(group->cancel(), 0U);
    t->arm_after(1h);
    EXPECT_EQ(group->cancel_and_wait(), wait_result::from_callback);
    EXPECT_EQ(group->stop(), 1U);
    EXPECT_EQ(group->wait(), wait_result::from_callback);
    EXPECT_EQ(parent->wait_for(1h), wait_result::from_callback);
    EXPECT_EQ(group->size(), 1U);
    EXPECT_EQ(group->close_and_wait(), wait_result::from_callback);
    EXPECT_EQ(parent->close_and_wait(), wait_result::from_callback);
    EXPECT_EQ(t->arm_after(0ns), arm_result::closed);
  });
}

TEST_P(G04_inside, the_service_s_verbs) {
  inside([this](firing&) {
    t->arm_after(1h);
    EXPECT_EQ(service.cancel_all(), 1U);
    EXPECT_EQ(service.snapshot().size(), 1U);
    EXPECT_EQ(service.counters().fired, 1U);
    EXPECT_EQ(service.run_due().outcome, detent::run_answer::kind::busy);
    EXPECT_EQ(t->status(), timer_state::running);
  });
}

TEST_P(G04_inside, shutdown_does_not_wait_for_this_call) {
  std::string mine;
  inside([&](firing& f) {
    const detent::shutdown_report report = service.shutdown();
    ASSERT_EQ(report.still_running.size(), 1U);
    EXPECT_EQ(report.still_running[0].id, f.id());
    EXPECT_FALSE(report.complete);
    EXPECT_EQ(t->arm_after(0ns), arm_result::shut_down);
    EXPECT_EQ(t->close_and_wait().wait, wait_result::from_callback);
  });
}

// --- Destroying
// --------------------------------------------------------------------------------------------------------

TEST_P(G04_inside, moving_the_handle) {
  timer elsewhere;
  inside([&](firing& f) {
    elsewhere = std::move(*t);
    EXPECT_FALSE(*t);
    EXPECT_EQ(t->cancel(), cancel_result::closed) << "a moved-from handle";
    EXPECT_EQ(elsewhere.id(), f.id());
    EXPECT_EQ(elsewhere.cancel(), cancel_result::running);
    EXPECT_EQ(elsewhere.close_and_wait().wait, wait_result::from_callback);
  });
}

TEST_P(G04_inside, destroying_the_handle) {
  inside([this](firing&) { t.reset(); });
}

TEST_P(G04_inside, destroying_the_handle_of_a_series) {
  inside([this](firing&) {
    t->arm_every(1us);
    t.reset();
  });
  EXPECT_TRUE(play.quiet_of([&] { return birds.gone() != 1; }));
}

TEST_P(G04_inside, assigning_over_the_handle) {
  std::atomic<int> second{0};
  inside([&](firing&) {
    *t = timer(service, [&] { second.fetch_add(1); });
    t->arm_after(0ns);
  });
  EXPECT_LE(second.load(), 1);
}

TEST_P(G04_inside, destroying_the_group) {
  inside([this](firing&) {
    group.reset();
    EXPECT_EQ(t->arm_after(0ns), arm_result::closed);
  });
}

TEST_P(G04_inside, destroying_the_group_s_parent_first) {
  inside([this](firing&) {
    parent.reset();
    EXPECT_EQ(t->arm_after(0ns), arm_result::closed);
    group.reset();
  });
}

TEST_P(G04_inside, destroying_handle_group_and_parent) {
  inside([this](firing&) {
    t.reset();
    group.reset();
    parent.reset();
  });
}

TEST_P(G04_inside, destroying_the_service) {
  inside([this](firing&) {
    play.holder().reset();
    EXPECT_EQ(t->arm_after(0ns), arm_result::shut_down);
    EXPECT_EQ(t->status(), timer_state::shut_down);
  });
}

TEST_P(G04_inside, destroying_the_service_the_handle_and_the_groups) {
  inside([this](firing&) {
    play.holder().reset();
    group.reset();
    t.reset();
    parent.reset();
  });
}

TEST_P(G04_inside, destroying_the_handle_after_the_service_was_shut_down) {
  inside([this](firing&) {
    service.shutdown();
    t.reset();
  });
}

// The owner of the handle goes with everything the callback could have used but its own captures.
struct owner {
  timer t;
  std::string memory = "a string that is long enough to live on the heap";
};

TEST_P(G04_inside, destroying_the_owner_of_the_handle) {
  std::atomic<bool> over{false};
  support::gate armed;
  auto o = std::make_unique<owner>();
  o->t = timer(service, [&, bird = support::canary(birds)] {
    armed.pass();
    o.reset();
    EXPECT_EQ(birds.alive(), 1);
    over.store(true);
  });
  o->t.arm_after(0ns);
  armed.open();
  play.until([&] { return over.load() && birds.gone() == 1; });
}

TEST_P(G04_inside, a_callable_that_owns_its_own_timer) {
  for (const bool lets_go_inside : {true, false}) {
    birds.forget_gone();
    std::atomic<bool> over{false};
    support::gate armed;
    auto self = std::make_shared<timer>();
    *self = timer(service, [&, lets_go_inside, self, bird = support::canary(birds)]() mutable {
      armed.pass();
      if (lets_go_inside) self.reset();
      over.store(true);
    });
    self->arm_after(0ns);
    timer* raw = self.get();
    if (lets_go_inside) self.reset();
    armed.open();
    if (!lets_go_inside) {
      play.until([&] { return over.load(); });
      raw->close();  // Nobody else would: the cycle is the user's, and close breaks it.
    }
    self.reset();
    play.until([&] { return over.load() && birds.gone() == 1; });
    EXPECT_EQ(birds.alive(), 0);
  }
}

TEST_P(G04_inside, a_sibling_due_in_the_same_look_is_destroyed_and_stays_silent) {
  if (GetParam() != support::scene::manual && GetParam() != support::scene::manual_one &&
      GetParam() != support::scene::user_any && GetParam() != support::scene::user_one) {
    GTEST_SKIP() << "elsewhere the sibling may run at the same time";
  }
  std::vector<std::unique_ptr<timer>> siblings;
  int calls = 0;
  const auto due = service.now() + 1ms;
  for (int i = 0; i < 32; ++i) {
    siblings.push_back(std::make_unique<timer>(service, [&, i] {
      ++calls;
      for (std::size_t other = 0; other < siblings.size(); ++other) {
        if (static_cast<int>(other) != i) siblings[other].reset();
      }
    }));
    siblings.back()->arm_at(due);
  }
  play.until([&] { return calls != 0; });
  EXPECT_TRUE(play.quiet_of([&] { return calls != 1; }));
}

TEST_P(G04_inside, ten_thousand_timers_are_created_inside_a_callback) {
  std::vector<timer> many;
  std::atomic<int> fired{0};
  inside([&](firing&) {
    for (int i = 0; i < 10'000; ++i) {
      many.emplace_back(service, [&fired] { fired.fetch_add(1); });
      many.back().arm_after(1us);
    }
  });
  play.until([&] { return fired.load() == 10'000; });
}

// --- Destructors of captures that call back in -----------------------------------------------------------------------

TEST_P(G04_inside, a_capture_s_destructor_may_use_every_verb_on_its_own_timer) {
  for (const bool running : {false, true}) {
    std::atomic<int> ended{0};
    std::atomic<bool> over{false};
    timer mine;
    timer other(service, [] {});
    auto capture = support::at_end([&] {
      EXPECT_EQ(mine.arm_after(0ns), arm_result::closed);
      EXPECT_EQ(mine.arm_every(1s), arm_result::closed);
      EXPECT_EQ(mine.cancel(), cancel_result::closed);
      EXPECT_EQ(mine.close(), cancel_result::closed);
      EXPECT_EQ(mine.close_and_wait().outcome, cancel_result::closed);
      EXPECT_EQ(mine.cancel_and_wait().outcome, cancel_result::closed);
      static_cast<void>(mine.wait());
      EXPECT_EQ(service.close(mine.id()), cancel_result::closed);
      static_cast<void>(service.close_and_wait(mine.id()));
      EXPECT_EQ(other.arm_after(1h), arm_result::armed);
      EXPECT_EQ(other.close_and_wait().outcome, cancel_result::cancelled);
      timer fresh(service, [] {});
      EXPECT_EQ(fresh.arm_after(1h), arm_result::armed);
      static_cast<void>(service.snapshot());
      ended.fetch_add(1);
    });
    mine = timer(service, [&, running, capture = std::move(capture)] {
      if (running) {
        EXPECT_EQ(mine.close(), cancel_result::running);
      }
      over.store(true);
    });
    mine.arm_after(0ns);
    play.until([&] { return over.load(); });
    if (!running) {
      play.until([&] { return mine.status() == timer_state::idle; });
      mine.close();
    }
    play.until([&] { return ended.load() == 1; });
    EXPECT_EQ(mine.close_and_wait().wait, wait_result::quiet);
    EXPECT_EQ(ended.load(), 1);
  }
}

TEST_P(G04_inside, a_capture_s_destructor_may_own_the_last_handle_of_its_own_timer) {
  auto self = std::make_unique<timer>();
  timer& mine = *self;
  std::atomic<bool> gone{false};
  mine = timer(service, [self = std::move(self), tell = support::at_end([&] { gone.store(true); })] {});
  mine.arm_after(1h);
  mine.close();
  EXPECT_TRUE(gone.load());
}

TEST_P(G04_inside, a_capture_s_destructor_may_destroy_the_service) {
  auto mine = timer(service, [end = support::at_end([&] { play.holder().reset(); })] {});
  group.reset();
  parent.reset();
  mine.close();
  EXPECT_EQ(play.holder(), nullptr);
  EXPECT_NE(mine.arm_after(0ns), arm_result::armed);
}

// --- A weak owner ----------------------------------------------------------------------------------------------------

TEST_P(G04_inside, a_weak_owner_is_promoted_for_the_call_and_its_end_closes_the_timer) {
  struct thing {
    std::atomic<int> calls{0};
  };
  auto strong = std::make_shared<thing>();
  std::weak_ptr<thing> weak = strong;
  std::atomic<bool> kept{false};
  timer mine(service, detent::bound_to(strong, [&](thing& self) {
               strong.reset();
               self.calls.fetch_add(1);
               kept.store(!weak.expired());
             }));
  mine.arm_every(100us);
  play.until([&] { return kept.load(); });
  EXPECT_TRUE(kept.load()) << "promoted for the call";
  play.until([&] { return mine.status() == timer_state::closed; });
  EXPECT_TRUE(weak.expired());
}

TEST_P(G04_inside, a_weak_owner_s_last_reference_dies_in_the_call_with_the_timer_in_it) {
  struct thing {
    explicit thing(std::atomic<int>& g) : gone(g) {}
    ~thing() { gone.fetch_add(1); }
    std::atomic<int>& gone;
    timer t;
  };
  std::atomic<int> gone{0};
  support::gate armed;
  auto strong = std::make_shared<thing>(gone);
  strong->t = timer(service, detent::bound_to(strong, [&](thing&, firing&) {
                      armed.pass();
                      strong.reset();
                    }));
  strong->t.arm_after(0ns);
  armed.open();
  play.until([&] { return gone.load() == 1; });
}

INSTANTIATE_TEST_SUITE_P(, G04_inside, ::testing::ValuesIn(support::every_scene), support::scene_name);

}  // namespace
