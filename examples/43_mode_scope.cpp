// A game's timers are bound to its mode together: paused, they keep what was left; ended, all of them are quiet.
// needs: adapter modes
#include <detent/detent.hpp>
#include <detent/modes.hpp>

#include <cstdio>

using namespace std::chrono_literals;

// [game]
class game {
 public:
  game(detent::timer_service& service, detent::modes& modes) : scope_(service, modes, {.modes = {"playing"}}) {
    frame_.arm_every(20ms);
    bomb_.arm_after(90ms);
  }
  int frames() const { return frames_; }
  bool has_exploded() const { return has_exploded_; }

 private:
  int frames_ = 0;
  bool has_exploded_ = false;
  detent::mode_scope scope_;  // suspends and resumes; behind what the callbacks use
  detent::mode_timer frame_{scope_, [this](detent::firing&) { ++frames_; }};
  detent::mode_timer bomb_{scope_, [this](detent::firing&) { has_exploded_ = true; }};
};
// [/game]

int main() {
  detent::manual_clock clock;
  detent::timer_service service{clock};
  detent::modes modes{service, {.initial = "menu"}};
  for (const char* name : {"playing", "paused"}) {
    detent::mode_options mode;
    mode.name = name;
    modes.add(std::move(mode));
  }

  game current{service, modes};
  clock.advance(1s);  // in the menu nothing ticks
  modes.set("playing");
  clock.advance(50ms);
  modes.set("paused");  // once it has returned, no tick starts
  clock.advance(1h);
  const bool was_still = current.frames() == 2 && !current.has_exploded();
  modes.set("playing");
  clock.advance(40ms);  // ten of them to the third frame, forty to the bomb

  std::printf("%d frames, and the bomb has%s exploded\n", current.frames(), current.has_exploded() ? "" : " not");
  return was_still && current.frames() == 4 && current.has_exploded() ? 0 : 1;
}
