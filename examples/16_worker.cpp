// A worker ends in stages, each within its limit, and reports everything that it did not do. A plan stops the producer
// before the queue it posts to.
//
// needs: adapter worker
#include <detent/shutdown_plan.hpp>
#include <detent/worker.hpp>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

int main() {
  detent::timer_service service;
  // [readme]
  detent::worker disk{service, {.name = "disk", .at_end = detent::queue_end::drain}};
  detent::worker net{service, {.name = "net", .queue_limit = 100, .when_full = detent::when_full::drop_lowest}};

  std::string& file = disk.own(std::string("opened"), "file");  // released last, after the goodbye
  disk.on_farewell([&] { file += ", flushed"; }, "flush");
  detent::timer statistics{net.timers(), [&] { net.post([] {}, {.urgency = detent::priority::low}); }};
  statistics.arm_every(1s);

  detent::shutdown_plan plan;
  const detent::plan_part producer = plan.add(net);
  const detent::plan_part consumer = plan.add(disk);
  plan.uses(producer, consumer);  // net posts to disk: it stops first
  // [/readme]
  disk.start();
  net.start();
  int written = 0;
  for (int i = 0; i < 10; ++i) {
    net.post([&] { disk.post([&] { ++written; }); });
  }
  const detent::plan_report report = plan.shutdown(10s);
  std::puts(report.text().c_str());
  return report.complete && written == 10 ? 0 : 1;
}
