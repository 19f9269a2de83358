// Ctrl-C, and the ways it arrives: once, twice for one request, and a second time in earnest.
#include "interruption.hpp"

#include <chrono>
#include <csignal>
#include <support/child.hpp>
#include <thread>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::exited;
using support::in_child;

namespace {

using clock = std::chrono::steady_clock;

TEST(interruption, OneRequestSetsTheFlag) {
  EXPECT_EQ(in_child([] {
              const detent::cli::interruption watched;
              if (detent::cli::interruption::asked()) return 1;
              std::raise(SIGTERM);
              return detent::cli::interruption::asked() ? 0 : 2;
            }),
            exited(0));
}

TEST(interruption, ASignalSentToTheProcessAndToItsGroupIsOneRequest) {
  constexpr int held_up = 3;  // between the two: it has shown nothing, and another child tries
  support::child_end end = exited(held_up);
  while (end == exited(held_up)) {
    end = in_child([] {
      const detent::cli::interruption watched;
      const clock::time_point before = clock::now();
      std::raise(SIGINT);
      if (clock::now() - before > 20ms) return held_up;
      std::raise(SIGINT);
      return detent::cli::interruption::asked() ? 0 : 2;
    });
  }
  EXPECT_EQ(end, exited(0));
}

TEST(interruption, ALaterOneEndsTheProcessAsUsual) {
  const support::child_end end = in_child([] {
    const detent::cli::interruption watched;
    std::raise(SIGINT);
    std::this_thread::sleep_for(250ms);
    std::raise(SIGINT);
    return 1;
  });
  EXPECT_EQ(end, (support::child_end{support::child_end::how::signalled, SIGINT}));
}

TEST(interruption, TheFormerHandlersAreBackAfterIt) {
  const support::child_end end = in_child([] {
    { const detent::cli::interruption watched; }
    std::raise(SIGTERM);
    return 1;
  });
  EXPECT_EQ(end, (support::child_end{support::child_end::how::signalled, SIGTERM}));
}

}  // namespace
