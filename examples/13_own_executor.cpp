// Your own executor: anything with `post(detent::task)`. Callbacks run where you call the task, here on a thread that
// serves a queue. What is withdrawn while its task waits in the queue does not run, and the queue need not know.
#include <detent/detent.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;

class work_queue {
 public:
  void post(detent::task work) {  // called with no lock of the library held; may also run the task right here
    const std::scoped_lock guard(lock_);
    queue_.push_back(std::move(work));
    filled_.notify_one();
  }

  void run_one() {
    std::unique_lock guard(lock_);
    filled_.wait(guard, [this] { return !queue_.empty(); });
    detent::task work = std::move(queue_.front());
    queue_.pop_front();
    guard.unlock();
    work();
  }

 private:
  std::mutex lock_;
  std::condition_variable filled_;
  std::deque<detent::task> queue_;  // never longer than the number of timers
};

int main() {
  work_queue queue;  // outlives the service
  detent::service_options options;
  options.executor = queue;
  detent::timer_service service{std::move(options)};

  std::thread::id ran_on;
  detent::timer first{service, [&ran_on] { ran_on = std::this_thread::get_id(); }};
  first.arm_after(1ms);
  std::thread worker([&queue] { queue.run_one(); });
  const std::thread::id worker_id = worker.get_id();
  worker.join();

  // Cancelled while its task is in the queue: the task is called, and finds nothing to do.
  bool ran = false;
  detent::timer second{service, [&ran] { ran = true; }};
  second.arm_after(0ms);
  while (second.status() != detent::timer_state::queued) std::this_thread::yield();
  const detent::cancel_result answer = second.cancel();
  queue.run_one();
  std::printf("cancelled while queued: %s, ran: %s\n", to_string(answer), ran ? "yes" : "no");
  return ran_on == worker_id && answer == detent::cancel_result::cancelled && !ran ? 0 : 1;
}
