// An idle timeout that every read postpones. Arming replaces what is pending, so there is nothing to cancel first, and
// once `arm_after` has returned, the deadline before it can no longer fire. (A manual clock makes each run the same.)
#include <detent/detent.hpp>

#include <cstdio>

using namespace std::chrono_literals;

class session {
 public:
  explicit session(detent::timer_service& service) : idle_{service, [this] { open_ = false; }} { read(); }

  // Postponing an armed timer is one swap in its record: it neither allocates nor wakes a thread.
  detent::arm_result read() { return idle_.arm_after(30s); }
  bool is_open() const { return open_; }

 private:
  bool open_ = true;
  detent::timer idle_;
};

int main() {
  detent::manual_clock clock;
  detent::timer_service service{clock};
  session client{service};

  int rearmed = 0;
  for (int i = 0; i < 1000; ++i) {
    clock.advance(29s);
    rearmed += client.read() == detent::arm_result::rearmed ? 1 : 0;
  }
  std::printf("1000 reads, %d of them replaced the pending firing, the session is %s\n", rearmed,
              client.is_open() ? "open" : "closed");
  if (!client.is_open() || rearmed != 1000) return 1;

  clock.advance(30s - 1ns);
  const bool open_before = client.is_open();
  clock.advance(1ns);
  std::printf("30 s after the last read: %s\n", client.is_open() ? "open" : "closed");
  return open_before && !client.is_open() && service.counters().fired == 1 ? 0 : 1;
}
