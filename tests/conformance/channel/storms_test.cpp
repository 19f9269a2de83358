// Stop and reset beside the expiry, a hundred thousand times each (G1, G2, G4): no value of an arming that was ended is
// received, none comes early, each arming gives at most one, and nobody hangs.
//
// Method: real threads on the real clock; delays are chosen around the time that the other side takes, and the answers
// are added up: armings = values + withdrawn. A machine that has no time for all rounds does fewer; the sums hold for
// those. Nobody yields: beside programs that want the CPU that would take longer than all the rest.
#include <detent/detent.hpp>
#include <detent/go.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace go = detent::go;
using namespace std::chrono_literals;
using detent::channel;
using detent::on_receive;
using detent::receive_result;
using detent::received;
using detent::select;
using detent::timer_service;
using go::found;
using go::func_found;
using support::background;

std::size_t rounds() { return support::times(100'000, 5'000); }

// for (storm_rounds round; round.next();): `count` is the number of rounds begun.
class storm_rounds {
 public:
  explicit storm_rounds(std::size_t most = rounds()) noexcept : most_(most) {}
  bool next() noexcept {
    if (count_ == most_ || std::chrono::steady_clock::now() >= end_) return false;
    ++count_;
    return true;
  }
  std::size_t count() const noexcept { return count_; }

 private:
  const std::size_t most_;
  const std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + 8s;
  std::size_t count_ = 0;
};

// Leaves the other side time to come first.
void linger() {
  const auto end = std::chrono::steady_clock::now() + 1us;
  while (std::chrono::steady_clock::now() < end) continue;
}

// A delay of up to two microseconds, zero now and then: about as long as a round, so either side may come first.
std::chrono::nanoseconds draw_delay(std::minstd_rand& random) { return std::chrono::nanoseconds(random() % 2'000); }

// G1: nobody receives, so stop is always first, and nothing is there afterwards.
TEST(Storm, StopAfterExpiryLeavesNothing) {
  timer_service service;
  std::minstd_rand random(1);
  const auto t = go::new_timer(service, go::unarmed);
  for (storm_rounds round; round.next();) {
    ASSERT_EQ(t.reset(draw_delay(random)), found::inactive);
    ASSERT_EQ(t.stop(), found::active);
    ASSERT_EQ(t.c().try_receive().outcome(), receive_result::empty);
  }
}

// A receiver is blocked while the timer is stopped and reset: what he gets was due, and belongs to the last arming that
// had been made when he got it, or to one that was over before the next was made.
TEST(Storm, StopBesideABlockedReceiver) {
  timer_service service;
  std::minstd_rand random(2);
  const auto t = go::new_timer(service, go::unarmed);
  const auto done = channel<int>::make();
  std::atomic<std::uint64_t> values{0};
  background receiver([&] {
    go::instant last{};
    for (bool over = false; !over;) {
      select(on_receive(t.c(),
                        [&](received<go::instant> got) {
                          EXPECT_LE(*got, std::chrono::steady_clock::now()) << "early";
                          EXPECT_GE(*got, last) << "stale";
                          last = *got;
                          ++values;
                        }),
             on_receive(done, [&] { over = true; }));
    }
  });
  std::uint64_t withdrawn = 0;
  storm_rounds round;
  while (round.next()) {
    if (t.reset(draw_delay(random)) == found::active) ++withdrawn;
    if (round.count() % 4 == 0) linger();
    if (round.count() % 2 == 0 && t.stop() == found::active) ++withdrawn;
  }
  if (t.stop() == found::active) ++withdrawn;
  done.close();
  receiver.join();
  EXPECT_EQ(values.load() + withdrawn, round.count());
}

// G2: after an expiry that nobody received, the next value is at least the new delay away.
TEST(Storm, ResetIsNeverAnsweredEarly) {
  timer_service service;
  std::minstd_rand random(3);
  const auto t = go::new_timer(service, 0s);
  for (storm_rounds round; round.next();) {
    const auto delay = draw_delay(random);
    const auto before = std::chrono::steady_clock::now();
    static_cast<void>(t.reset(delay));
    if (round.count() % 2 == 0) continue;  // Its value is left behind.
    const received<go::instant> got = t.c().receive();
    ASSERT_TRUE(got);
    ASSERT_GE(*got, before + delay);
    ASSERT_GE(std::chrono::steady_clock::now(), *got);
  }
}

// G4: eight threads stop, reset and receive at random. What was armed was received once or withdrawn once.
TEST(Storm, EightThreadsOnOneTimer) {
  timer_service service;
  const auto t = go::new_timer(service, go::unarmed);
  std::atomic<std::uint64_t> armed{0};
  std::atomic<std::uint64_t> ended{0};
  const std::size_t each = rounds() / 8;
  {
    std::vector<std::unique_ptr<background>> all;
    for (std::uint32_t k = 0; k < 8; ++k) {
      all.push_back(std::make_unique<background>([&, k] {
        std::minstd_rand random(k + 10);
        for (storm_rounds round(each); round.next();) {
          switch (random() % 4) {
            case 0:
              if (t.stop() == found::active) ++ended;
              break;
            case 1:
              if (t.c().receive_for(std::chrono::microseconds(random() % 20))) ++ended;
              break;
            case 2:
              if (t.c().try_receive()) ++ended;
              break;
            default:
              ++armed;
              if (t.reset(draw_delay(random)) == found::active) ++ended;
          }
        }
      }));
    }
  }
  if (t.stop() == found::active) ++ended;
  EXPECT_EQ(armed.load(), ended.load());
  EXPECT_GT(armed.load(), 0U);
}

TEST(Storm, ATickerIsStoppedAndResetBesideItsReceiver) {
  timer_service service;
  const auto t = go::new_ticker(service, 1us);
  const auto done = channel<int>::make();
  background receiver([&] {
    go::instant last{};
    for (bool over = false; !over;) {
      select(on_receive(t.c(),
                        [&](received<go::instant> got) {
                          EXPECT_LE(*got, std::chrono::steady_clock::now());
                          EXPECT_GE(*got, last);
                          last = *got;
                        }),
             on_receive(done, [&] { over = true; }));
    }
  });
  std::minstd_rand random(4);
  for (storm_rounds round; round.next();) {
    static_cast<void>(t.reset(draw_delay(random) + 1ns));
    if (round.count() % 3 == 0) static_cast<void>(t.stop());
  }
  done.close();
}

// Timers are made, waited for and dropped on two threads at once; handles go while others are blocked.
TEST(Storm, TimersComeAndGo) {
  timer_service service;
  {
    const auto party = [&](std::uint32_t seed) {
      std::minstd_rand random(seed);
      for (storm_rounds round(rounds() / 10); round.next();) {
        const auto near = go::after(service, draw_delay(random));
        const auto never = go::after(service, 1h);
        EXPECT_EQ(select(on_receive(never), on_receive(near)), 1U);
      }
    };
    background one([&] { party(5); });
    background two([&] { party(6); });
  }
  EXPECT_TRUE(service.snapshot().empty());
}

// A func_timer: every arming was prevented, replaced, or called.
TEST(Storm, FuncIsCalledOrPrevented) {
  timer_service service;
  std::atomic<std::uint64_t> calls{0};
  auto t = go::after_func(service, go::unarmed, [&] { ++calls; });
  std::minstd_rand random(7);
  std::uint64_t ended = 0;
  storm_rounds round;
  while (round.next()) {
    if (t.reset(draw_delay(random)) == found::active) ++ended;
    if (round.count() % 4 == 0) linger();
    if (round.count() % 2 == 0) {
      const func_found was = t.stop();
      if (was == func_found::prevented || was == func_found::prevented_running) ++ended;
    }
  }
  const func_found was = t.stop_and_wait().outcome;
  if (was == func_found::prevented || was == func_found::prevented_running) ++ended;
  EXPECT_EQ(calls.load() + ended, round.count());
}

}  // namespace
