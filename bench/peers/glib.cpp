// GLib's main loop: one source for each timer, moved by its ready time. Every turn of the loop looks at all sources.
#include "peer/program.hpp"

#include <glib.h>
#include <vector>

namespace {

using namespace detent::bench;

constexpr std::int64_t ns_per_us = 1000;

class in_a_loop {
 public:
  static constexpr auto name = "glib";
  static constexpr bool is_thread_safe = false;  // Its locks would allow it; the loop is this thread's.
  static std::string version() {
    return std::to_string(glib_major_version) + "." + std::to_string(glib_minor_version) + "." +
           std::to_string(glib_micro_version);
  }
  using hand = in_a_loop&;

  in_a_loop(std::uint32_t n, firings& sink) : context_(g_main_context_new()), sink_(sink) {
    constexpr std::uint32_t most = 100'000;
    if (n > most) cannot("its loop looks at every timer in every turn");
    timers_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) timers_.push_back(make(i));
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    g_source_set_ready_time(&timers_[i]->source, now_us_ + (delay_ns + ns_per_us - 1) / ns_per_us);
  }
  void cancel(std::uint32_t i) { g_source_set_ready_time(&timers_[i]->source, -1); }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    g_source_destroy(&timers_[i]->source);
    g_source_unref(&timers_[i]->source);
    timers_[i] = make(i);
    arm(i, delay_ns);
  }
  void turn() {
    now_us_ = g_get_monotonic_time();
    g_main_context_iteration(context_, FALSE);
  }
  void drive_until(std::int64_t at_ns) {
    bool over = false;
    GSource* const end = g_timeout_source_new(0);
    g_source_set_callback(
        end,
        [](void* flag) -> gboolean {
          *static_cast<bool*>(flag) = true;
          return G_SOURCE_REMOVE;
        },
        &over, nullptr);
    g_source_attach(end, context_);
    g_source_set_ready_time(end, at_ns / ns_per_us);
    while (!over) g_main_context_iteration(context_, TRUE);
    g_source_unref(end);
    now_us_ = g_get_monotonic_time();
  }

 private:
  struct timer {
    GSource source;
    on_firing callback;
  };

  timer* make(std::uint32_t i) {
    static GSourceFuncs functions{nullptr, nullptr, on_time, nullptr, nullptr, nullptr};
    auto* const made = reinterpret_cast<timer*>(g_source_new(&functions, sizeof(timer)));
    made->callback = {&sink_, i};
    g_source_attach(&made->source, context_);
    return made;
  }

  static gboolean on_time(GSource* source, GSourceFunc, void*) {
    g_source_set_ready_time(source, -1);
    reinterpret_cast<timer*>(source)->callback();
    return G_SOURCE_CONTINUE;
  }

  GMainContext* context_;
  firings& sink_;
  std::int64_t now_us_ = g_get_monotonic_time();
  std::vector<timer*> timers_;
};

}  // namespace

int main(int argument_count, char** arguments) { return run_program<in_a_loop>(argument_count, arguments); }
