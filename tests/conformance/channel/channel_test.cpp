// Channels and select as Go has them: hand-over and buffer, order, close, values that only move, selects that meet each
// other, limits and stop tokens, and that no value's move or end happens under a lock.
//
// Method: what needs no second thread is played on one; meetings use gates, and the storms count every value.
#include <detent/channel.hpp>
#include <detent/detent.hpp>
#include <detent/go.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::channel;
using detent::close_result;
using detent::on_receive;
using detent::on_send;
using detent::on_stop;
using detent::on_timeout;
using detent::otherwise;
using detent::receive_result;
using detent::received;
using detent::receiver;
using detent::select;
using detent::send_result;
using support::background;
using support::eventually;
using support::gate;

TEST(Channel, KeepsUpToItsCapacityInOrder) {
  const auto c = channel<int>::make(3);
  EXPECT_EQ(c.capacity(), 3U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(c.try_send(i), send_result::sent);
  EXPECT_EQ(c.size(), 3U);
  EXPECT_EQ(c.try_send(3), send_result::full);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*c.try_receive(), i);
  EXPECT_EQ(c.try_receive().outcome(), receive_result::empty);
}

TEST(Channel, WithoutCapacityNeedsAPartner) {
  const auto c = channel<int>::make();
  EXPECT_EQ(c.try_send(1), send_result::full);
  EXPECT_EQ(c.try_receive().outcome(), receive_result::empty);
  background sender([&] { EXPECT_EQ(c.send(7), send_result::sent); });
  EXPECT_EQ(*c.receive(), 7);
  sender.join();
  background other([&] { EXPECT_EQ(*c.receive(), 8); });
  EXPECT_EQ(c.send(8), send_result::sent);
}

TEST(Channel, CloseLetsTheRestBeReceived) {
  const auto c = channel<int>::make(2);
  EXPECT_EQ(c.send(1), send_result::sent);
  EXPECT_EQ(c.close(), close_result::closed);
  EXPECT_EQ(c.close(), close_result::already_closed);
  EXPECT_EQ(c.send(2), send_result::closed);
  EXPECT_EQ(*c.receive(), 1);
  EXPECT_EQ(c.receive().outcome(), receive_result::closed);
  EXPECT_EQ(c.try_receive().outcome(), receive_result::closed);
}

TEST(Channel, CloseTellsWhoIsBlocked) {
  const auto empty = channel<int>::make();
  const auto full = channel<std::unique_ptr<int>>::make(1);
  EXPECT_EQ(full.send(std::make_unique<int>(1)), send_result::sent);
  background receiver([&] { EXPECT_EQ(empty.receive().outcome(), receive_result::closed); });
  background sender([&] {
    auto value = std::make_unique<int>(2);
    EXPECT_EQ(full.send(std::move(value)), send_result::closed);
    EXPECT_NE(value, nullptr) << "a value that was not sent stays with its sender";
  });
  std::this_thread::sleep_for(5ms);  // Either order ends the same way; this makes the blocked one likely.
  empty.close();
  full.close();
}

TEST(Channel, OnlyMovesWhatOnlyMoves) {
  const auto c = channel<std::unique_ptr<int>>::make(1);
  auto first = std::make_unique<int>(1);
  auto second = std::make_unique<int>(2);
  EXPECT_EQ(c.try_send(std::move(first)), send_result::sent);
  EXPECT_EQ(first, nullptr);
  EXPECT_EQ(c.try_send(std::move(second)), send_result::full);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second, 2);
  EXPECT_EQ(**c.receive(), 1);
  EXPECT_EQ(c.send_for(1ms, std::move(second)), send_result::sent);
  EXPECT_EQ(c.send_for(1ms, std::make_unique<int>(3)), send_result::timed_out);
}

TEST(Channel, DestroysWhatNobodyReceived) {
  support::cage home;
  {
    const auto c = channel<support::canary>::make(4);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(c.send(support::canary(home)), send_result::sent);
    EXPECT_EQ(home.alive(), 3);
  }
  EXPECT_EQ(home.alive(), 0);
  EXPECT_EQ(home.gone(), 3);
}

// A value whose move and end use the very channel that carries it. Under a lock of the channel it would hang.
struct meddler {
  const channel<meddler>* at;
  explicit meddler(const channel<meddler>& c) noexcept : at(&c) {}
  meddler(meddler&& other) noexcept : at(other.at) { static_cast<void>(at->size()); }
  ~meddler() { static_cast<void>(at->size()); }
};

TEST(Channel, RunsNoUserCodeUnderALock) {
  for (const std::size_t capacity : {0U, 1U}) {
    const auto c = channel<meddler>::make(capacity);
    background sender([&] {
      for (int i = 0; i < 100; ++i) EXPECT_EQ(c.send(meddler(c)), send_result::sent);
    });
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(c.receive());
    EXPECT_EQ(c.send_for(0ms, meddler(c)), capacity == 0 ? send_result::timed_out : send_result::sent);
    while (c.try_receive()) {
    }
  }
}

TEST(Channel, AnEmptyHandleAnswersClosed) {
  const channel<int> nobody;
  EXPECT_FALSE(nobody);
  EXPECT_EQ(nobody.send(1), send_result::closed);
  EXPECT_EQ(nobody.receive().outcome(), receive_result::closed);
  EXPECT_EQ(nobody.close(), close_result::already_closed);
  EXPECT_EQ(nobody.size() + nobody.capacity(), 0U);
  EXPECT_EQ(receiver<int>().try_receive().outcome(), receive_result::closed);
}

TEST(Channel, CopiesNameTheSameChannel) {
  auto c = channel<std::string>::make(1);
  const receiver<std::string> end = c;
  const auto copy = c;
  EXPECT_EQ(copy, c);
  EXPECT_EQ(c.send("hello"), send_result::sent);
  c = {};
  EXPECT_EQ(*end.receive(), "hello");
}

TEST(Channel, ALimitEndsTheWait) {
  const auto c = channel<int>::make();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(c.receive_for(2ms).outcome(), receive_result::timed_out);
  EXPECT_EQ(c.send_for(2ms, 1), send_result::timed_out);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 4ms);
  EXPECT_EQ(c.receive_for(-1h).outcome(), receive_result::timed_out);
}

TEST(Channel, TheStandardsTokenEndsTheWait) {
  const auto c = channel<int>::make();
  std::stop_source source;
  background receiver([&] { EXPECT_EQ(c.receive(source.get_token()).outcome(), receive_result::stopped); });
  background sender([&] {
    const auto full = channel<int>::make();
    EXPECT_EQ(full.send(1, source.get_token()), send_result::stopped);
  });
  source.request_stop();
  receiver.join();
  EXPECT_EQ(c.receive_for(1h, source.get_token()).outcome(), receive_result::stopped);
}

// A callback that is blocked in a receive ends when its timer is closed, and so does its service's destructor.
TEST(Channel, ACallsTokenEndsTheWait) {
  detent::timer_service service;
  const auto c = channel<int>::make();
  gate inside;
  std::atomic<receive_result> answer{receive_result::received};
  detent::timer t(service, [&](detent::firing& f) {
    inside.open();
    answer = c.receive(f.token()).outcome();
  });
  t.arm_after(0s);
  ASSERT_TRUE(inside.pass());
  EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(answer.load(), receive_result::stopped);
}

// That the select is blocked, and on all its channels, is seen by the engine's timer, which is armed for it.
TEST(Channel, AHandleMayGoWhileACallIsBlocked) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  const auto t = detent::go::new_timer(service, 1h);
  auto c = std::make_unique<channel<int>>(channel<int>::make());
  const channel<int> other = *c;
  background receiver([&, mine = c.get()] {
    int got = 0;
    EXPECT_EQ(select(on_receive(t.c()), on_receive(*mine, [&](received<int> r) { got = *r; })), 1U);
    EXPECT_EQ(got, 5);
  });
  ASSERT_TRUE(eventually([&] { return service.active().size() == 1; }));
  c.reset();
  EXPECT_EQ(other.send(5), send_result::sent);
}

// --- select ---

TEST(Select, TakesTheReadyCase) {
  const auto a = channel<int>::make(1);
  const auto b = channel<std::string>::make(1);
  std::string got;
  EXPECT_EQ(b.send("b"), send_result::sent);
  EXPECT_EQ(select(on_receive(a, [&](received<int>) { got = "wrong"; }),
                   on_receive(b, [&](received<std::string> s) { got = *s; })),
            1U);
  EXPECT_EQ(got, "b");
  int sent = 0;
  EXPECT_EQ(select(on_receive(b), on_send(a, 4, [&] { ++sent; })), 1U);
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(*a.try_receive(), 4);
}

TEST(Select, OtherwiseOnlyWhenNothingIsReady) {
  const auto a = channel<int>::make(1);
  int nothing = 0;
  EXPECT_EQ(select(on_receive(a), otherwise([&] { ++nothing; })), 1U);
  EXPECT_EQ(nothing, 1);
  EXPECT_EQ(a.send(1), send_result::sent);
  EXPECT_EQ(select(otherwise([&] { ++nothing; }), on_receive(a)), 1U);
  EXPECT_EQ(nothing, 1);
  EXPECT_EQ(select(otherwise()), 0U);
}

TEST(Select, TimeoutAndStop) {
  const auto a = channel<int>::make();
  EXPECT_EQ(select(on_receive(a), on_timeout(1ms)), 1U);
  EXPECT_EQ(select(on_timeout(1ms)), 0U);
  std::stop_source source;
  source.request_stop();
  EXPECT_EQ(select(on_timeout(1h), on_receive(a), on_stop(source.get_token())), 2U);
}

TEST(Select, AClosedChannelIsReadyAndTellsSo) {
  const auto a = channel<int>::make();
  a.close();
  receive_result got = receive_result::received;
  EXPECT_EQ(select(on_receive(a, [&](received<int> r) { got = r.outcome(); })), 0U);
  EXPECT_EQ(got, receive_result::closed);
  send_result sent = send_result::sent;
  auto value = std::make_unique<int>(1);
  const auto b = channel<std::unique_ptr<int>>::make();
  b.close();
  EXPECT_EQ(select(on_send(b, std::move(value), [&](send_result r) { sent = r; })), 0U);
  EXPECT_EQ(sent, send_result::closed);
  EXPECT_NE(value, nullptr);
}

// Go's idiom: a channel that is nil takes its case out of a select.
TEST(Select, AnEmptyChannelIsNeverReady) {
  const channel<int> nobody;
  const auto a = channel<int>::make(1);
  EXPECT_EQ(a.send(1), send_result::sent);
  EXPECT_EQ(select(on_receive(nobody), on_receive(a)), 1U);
  EXPECT_EQ(select(on_receive(nobody), on_send(nobody, 1)), detent::nothing_to_select);
  EXPECT_EQ(select(on_receive(nobody), on_timeout(1ms)), 1U);
}

TEST(Select, WhatIsNotSentStaysWithItsOwner) {
  const auto full = channel<std::unique_ptr<int>>::make();
  const auto ready = channel<int>::make(1);
  EXPECT_EQ(ready.send(1), send_result::sent);
  auto value = std::make_unique<int>(9);
  EXPECT_EQ(select(on_send(full, std::move(value)), on_receive(ready)), 1U);
  ASSERT_NE(value, nullptr);
  EXPECT_EQ(*value, 9);
}

// A case is as likely as any other that is ready: of 4000 draws among two of eight, each has its share. The bound is
// passed by chance less than once in 10^20 runs.
// Go's `case a <- x: case b <- x:`.
TEST(Select, OneValueMayStandInSeveralCases) {
  const std::string text = "a value that is long enough to be boxed";
  const auto nobody = channel<std::string>::make();
  const auto roomy = channel<std::string>::make(1);
  std::string value = text;
  EXPECT_EQ(select(on_send(nobody, std::move(value)), on_send(roomy, std::move(value))), 1U);
  EXPECT_EQ(*roomy.receive(), text);

  value = text;
  EXPECT_EQ(select(on_send(nobody, std::move(value)), on_send(nobody, std::move(value)), otherwise()), 2U);
  EXPECT_EQ(value, text) << "nobody took it";

  const auto closed = channel<std::string>::make();
  closed.close();
  EXPECT_EQ(
      select(on_send(nobody, std::move(value)), on_send(closed, std::move(value)), on_send(nobody, std::move(value))),
      1U);
  EXPECT_EQ(value, text) << "the chosen case could not send it";

  EXPECT_EQ(
      select(on_send(roomy, std::move(value)), on_send(nobody, std::move(value)), on_send(roomy, std::move(value))) % 2,
      0U);
  EXPECT_EQ(*roomy.receive(), text);
  EXPECT_EQ(roomy.size(), 0U);
}

TEST(Select, IsFairAmongReadyCases) {
  std::array<channel<int>, 8> c;
  for (auto& each : c) each = channel<int>::make(1);
  std::array<int, 8> count{};
  for (int i = 0; i < 4000; ++i) {
    for (const std::size_t k : {1U, 2U}) static_cast<void>(c[k].try_send(1));
    ++count[select(on_receive(c[0]), on_receive(c[1]), on_receive(c[2]), on_receive(c[3]), on_receive(c[4]),
                   on_receive(c[5]), on_receive(c[6]), on_receive(c[7]))];
  }
  EXPECT_EQ(count[1] + count[2], 4000);
  EXPECT_GT(count[1], 1700);
  EXPECT_GT(count[2], 1700);
}

TEST(Select, DoesNotMeetItself) {
  const auto c = channel<int>::make();
  EXPECT_EQ(select(on_receive(c), on_send(c, 1), on_timeout(5ms)), 2U);
}

// Both sides select, over the same channels in opposite orders and on both ends. Each value that was sent is received
// exactly once, whoever found whom.
TEST(Select, SelectsMeetEachOther) {
  const std::uint64_t rounds = support::times(5'000, 2'000);
  const auto a = channel<std::uint64_t>::make();
  const auto b = channel<std::uint64_t>::make();
  std::atomic<std::uint64_t> sent{0};
  std::atomic<std::uint64_t> got{0};
  std::atomic<std::uint64_t> met{0};
  const auto party = [&](std::uint64_t salt, bool turned) {
    for (std::uint64_t i = 1; met.load() < rounds; ++i) {
      const std::uint64_t mine = i * salt;
      const auto take = [&](received<std::uint64_t> v) {
        got += *v;
        ++met;
      };
      const auto give = [&, mine] { sent += mine; };
      if (turned) {
        select(on_receive(b, take), on_send(a, std::uint64_t{mine}, give), on_timeout(1ms));
      } else {
        select(on_receive(a, take), on_send(b, std::uint64_t{mine}, give), on_timeout(1ms));
      }
    }
  };
  {
    background one([&] { party(1, false); });
    background two([&] { party(1'000'003, true); });
    party(7, false);
  }
  EXPECT_EQ(sent.load(), got.load());
  EXPECT_GT(got.load(), 0U);
}

// Many senders and receivers, in every capacity: no value is lost, none comes twice, and what one sender sent to one
// receiver comes in its order.
TEST(Channel, EveryValueIsReceivedOnce) {
  struct item {
    std::uint32_t sender;
    std::uint32_t number;
    std::string shown;  // a box
  };
  const std::uint32_t each = static_cast<std::uint32_t>(support::times(5'000, 1'000));
  for (const std::size_t capacity : {0U, 1U, 16U}) {
    const auto c = channel<item>::make(capacity);
    std::array<std::atomic<std::uint64_t>, 3> sums{};
    std::atomic<std::uint64_t> wrong{0};
    {
      std::vector<std::unique_ptr<background>> receivers;
      for (int k = 0; k < 3; ++k) {
        receivers.push_back(std::make_unique<background>([&] {
          std::array<std::uint32_t, 3> last{};
          while (received<item> got = c.receive()) {
            if (got->number <= last[got->sender] || got->shown != std::to_string(got->number)) ++wrong;
            last[got->sender] = got->number;
            sums[got->sender] += got->number;
          }
        }));
      }
      {
        std::vector<std::unique_ptr<background>> senders;
        for (std::uint32_t k = 0; k < 3; ++k) {
          senders.push_back(std::make_unique<background>([&, k] {
            for (std::uint32_t i = 1; i <= each; ++i) {
              EXPECT_EQ(c.send(item{k, i, std::to_string(i)}), send_result::sent);
            }
          }));
        }
      }
      c.close();
    }
    EXPECT_EQ(wrong.load(), 0U);
    for (const auto& sum : sums) EXPECT_EQ(sum.load(), std::uint64_t{each} * (each + 1) / 2);
  }
}

}  // namespace
