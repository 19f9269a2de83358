// needs: adapter channel
// Go's time package: a read timeout that every message pushes back, a ticker, and a call that can be waited for.
#include <detent/go.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

using namespace std::chrono_literals;
namespace go = detent::go;

// [timeout]
int read_all(detent::timer_service& service, const detent::channel<std::string>& lines) {
  int count = 0;
  const go::timer timeout = go::new_timer(service, 50ms);
  for (bool more = true; more;) {
    detent::select(detent::on_receive(lines,
                                      [&](detent::received<std::string> line) {
                                        more = bool(line);  // false: closed
                                        if (line) ++count;
                                        timeout.reset(50ms);  // nothing to stop, nothing to drain
                                      }),
                   detent::on_receive(timeout.c(), [&] { more = false; }));
  }
  return count;
}
// [/timeout]

// [ticker]
int count_ticks(detent::timer_service& service, int most) {
  const go::ticker ticks = go::new_ticker(service, 1ms);
  int count = 0;
  while (count < most && ticks.c().receive()) ++count;
  return count;  // the ticker is freed here, stopped or not
}
// [/ticker]

int main() {
  detent::timer_service service;
  const auto lines = detent::channel<std::string>::make(8);
  for (const char* line : {"one", "two", "three"}) static_cast<void>(lines.send(line));
  const int read = read_all(service, lines);  // ends by the timeout
  const int ticks = count_ticks(service, 5);

  // [func]
  std::string report = "not written";
  go::func_timer writer = go::after_func(service, 0ms, [&] { report = "written"; });
  std::this_thread::sleep_for(1ms);
  const go::func_answer answer = writer.stop_and_wait();
  if (answer.outcome == go::func_found::prevented) report = "prevented";
  std::printf("%s\n", report.c_str());  // f has returned, or will never start
  // [/func]

  std::printf("%d lines, %d ticks\n", read, ticks);
  return read == 3 && ticks == 5 && report != "not written" ? 0 : 1;
}
