// Driven by your own loop: no thread of the library. The service has one descriptor that becomes readable when
// `run_due` should be called, beside whatever else the loop polls.
#include <detent/detent.hpp>

#include <cstdio>
#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;

int main() {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.sharing = detent::sharing::one_thread;  // every verb on this thread: the same semantics at less cost
  options.executor = detent::on_driver{};
  detent::timer_service service{std::move(options)};

  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return 1;

  bool done = false;
  int reads = 0;
  detent::timer writer{service, [&] { static_cast<void>(!write(pipe_ends[1], "x", 1)); }};
  detent::timer idle{service, [&] { done = true; }};
  detent::series_options soon;
  soon.first = 0ms;
  writer.arm_every(2ms, soon);

  const int due = service.fd();  // belongs to the service: poll it, do not read or close it
  int wakeups = 0;
  std::size_t fired = 0;
  while (!done) {
    pollfd ready[] = {{due, POLLIN, 0}, {pipe_ends[0], POLLIN, 0}};
    poll(ready, 2, -1);  // without a limit: the descriptor tells. `next_deadline()` serves loops that take a limit.
    ++wakeups;
    if ((ready[0].revents & POLLIN) != 0) fired += service.run_due().count;
    if ((ready[1].revents & POLLIN) != 0) {
      char byte = 0;
      if (read(pipe_ends[0], &byte, 1) == 1 && ++reads == 10) writer.close();
      idle.arm_after(10ms);
    }
  }
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  std::printf("%d reads, %zu firings, %d wake-ups of the loop\n", reads, fired, wakeups);

  const bool nothing_left = service.next_deadline() == detent::steady_clock::time_point::max();
  return reads == 10 && fired == 11 && nothing_left && wakeups < 50 ? 0 : 1;
}
