// The host of an engine of one's own; a table of functions stands for the engine's heap.
//
// needs: adapter script
#include <detent/script.hpp>
#include <detent/script_loop.hpp>

#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <unordered_map>

// [host]
class toy_host : public detent::script_host {
 public:
  detent::script_reference hold(std::function<void()> function) {  // on the engine's thread, as all but the first two
    heap_.emplace(++last_, std::move(function));
    return {last_};
  }
  void post(detent::script_task work) override { loop.post(std::move(work)); }
  bool is_own_thread() const noexcept override { return loop.is_own_thread(); }
  detent::script_outcome call(detent::script_reference what, const detent::script_occasion&) override {
    try {
      const auto function = heap_.at(what.value);  // a copy: the call may end its own timer
      function();
      return {};
    } catch (const std::exception& thrown) {
      return {detent::script_outcome::kind::threw, thrown.what()};
    }
  }
  void release(detent::script_reference what) noexcept override { heap_.erase(what.value); }
  void report(std::int64_t id, const std::string& error) override {
    std::printf("timer %lld: %s\n", static_cast<long long>(id), error.c_str());
  }
  std::size_t held() const { return heap_.size(); }
  detent::script_loop loop;  // destroyed with the host: what it has not run then comes to nothing
 private:
  std::unordered_map<std::uint64_t, std::function<void()>> heap_;
  std::uint64_t last_ = 0;
};
// [/host]

int main() {
  toy_host host;
  std::string said;
  {
    detent::script_timers timers(host, {.rules = detent::script_rules::web});
    std::int64_t heart = 0;
    heart = timers
                .set_interval(5, host.hold([&] {
                  said += "beat ";
                  if (timers.status(heart)->fires == 3) timers.clear(heart);
                }))
                .id;
    timers.set_timeout(1, host.hold([] { throw std::runtime_error("reported, and the rest goes on"); }));
    host.loop.run([&] { return timers.kept_count() != 0; });
  }
  std::printf("%s; %zu functions held\n", said.c_str(), host.held());
  return said == "beat beat beat " && host.held() == 0 ? 0 : 1;
}
