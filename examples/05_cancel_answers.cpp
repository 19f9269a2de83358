// What cancel answers, and what each answer allows. Only `cancelled` and `idle` say that the callback is not running.
#include <detent/detent.hpp>

#include <cstdio>

using namespace std::chrono_literals;
using detent::cancel_result;

bool show(const char* when, cancel_result answer, cancel_result expected) {
  std::printf("%-58s %s\n", when, to_string(answer));
  return answer == expected;
}

int main() {
  detent::timer_service service;
  bool holds = true;

  detent::timer t;
  t = detent::timer{service, [&] {
                      // A call is in progress: ours. Nothing is pending.
                      holds &= show("inside the callback", t.cancel(), cancel_result::running);
                      t.arm_after(1h);
                      holds &= show("inside the callback, armed again", t.cancel(), cancel_result::cancelled_running);
                    }};
  t.arm_after(0ms);
  t.wait();

  t.arm_after(1h);
  holds &= show("armed", t.cancel(), cancel_result::cancelled);
  holds &= show("nothing pending, no call", t.cancel(), cancel_result::idle);

  // A cancelled timer keeps its callable and may be armed again. A closed one has destroyed it.
  t.arm_after(1h);
  holds &= show("close of an armed timer", t.close(), cancel_result::cancelled);
  holds &= show("closed", t.cancel(), cancel_result::closed);
  holds &= t.arm_after(1h) == detent::arm_result::closed;

  // The waiting form answers what was found, and how its wait ended.
  detent::timer other{service, [] {}};
  other.arm_after(1h);
  const detent::cancel_answer answer = other.cancel_and_wait();
  holds &= show("cancel_and_wait of an armed timer", answer.outcome, cancel_result::cancelled);
  holds &= answer.wait == detent::wait_result::quiet;

  service.shutdown();
  holds &= show("the service is shut down", other.cancel(), cancel_result::shut_down);
  return holds ? 0 : 1;
}
