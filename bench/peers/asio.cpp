// Standalone Asio.
#include "peers/asio_timers.hpp"
#include "workloads/post.hpp"

#include <string>
#include <string_view>
#include <thread>
#include <utility>

#define ASIO_STANDALONE
#include <asio.hpp>

namespace {

struct standalone {
  static constexpr auto mutex_name = "asio-mutex";
  static constexpr auto strand_name = "asio-strand";
  using context = asio::io_context;
  using timer = asio::steady_timer;
  using error = asio::error_code;
  using work = asio::executor_work_guard<asio::io_context::executor_type>;
  using strand = asio::strand<asio::io_context::executor_type>;

  static std::string version() {
    return std::to_string(ASIO_VERSION / 100000) + "." + std::to_string(ASIO_VERSION / 100 % 1000) + "." +
           std::to_string(ASIO_VERSION % 100);
  }
  static work work_of(context& c) { return asio::make_work_guard(c); }
  static strand strand_of(context& c) { return asio::make_strand(c); }
  template <class F>
  static void post(strand& s, F&& f) {
    asio::post(s, std::forward<F>(f));
  }
};

struct context_queue {
  static constexpr std::string_view row = standalone::mutex_name;
  context_queue() : thread([this] { context.run(); }) {}
  template <class F>
  void post(F&& f) {
    asio::post(context, std::forward<F>(f));
  }
  asio::io_context context;
  standalone::work work{context.get_executor()};
  std::thread thread;
};

}  // namespace

int main(int argument_count, char** arguments) {
  using namespace detent::bench;
  if (is_post(argument_count, arguments)) run_post<context_queue>(argument_count, arguments, standalone::version());
  return run_program<asio_strand<standalone>, asio_mutex<standalone>>(argument_count, arguments);
}
