// needs: adapter channel
// Channels between threads: jobs go out, results come back, and closing a channel ends everybody who waits for it.
#include <detent/channel.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

struct job {
  int number;
};
using result = std::unique_ptr<std::string>;  // a value may be one that only moves

// [worker]
void work(const detent::receiver<job>& jobs, const detent::channel<result>& results,
          const detent::receiver<int>& done) {
  for (bool more = true; more;) {
    detent::select(detent::on_receive(jobs,
                                      [&](detent::received<job> next) {
                                        more = bool(next);
                                        if (!next) return;
                                        auto made = std::make_unique<std::string>(std::to_string(next->number * 2));
                                        if (results.send(std::move(made)) != detent::send_result::sent) more = false;
                                      }),
                   detent::on_receive(done, [&] { more = false; }));
  }
}
// [/worker]

int main() {
  const auto jobs = detent::channel<job>::make(4);
  const auto results = detent::channel<result>::make();
  const auto done = detent::channel<int>::make();
  std::vector<std::thread> workers;
  for (int i = 0; i < 2; ++i) workers.emplace_back([&] { work(jobs, results, done); });

  std::thread source([&] {
    for (int i = 1; i <= 20; ++i) static_cast<void>(jobs.send(job{i}));
  });
  int sum = 0;
  for (int i = 0; i < 20; ++i) {
    if (const detent::received<result> got = results.receive()) sum += std::stoi(**got);
  }
  done.close();  // every worker is told
  source.join();
  for (std::thread& worker : workers) worker.join();
  std::printf("sum %d\n", sum);
  return sum == 420 ? 0 : 1;
}
