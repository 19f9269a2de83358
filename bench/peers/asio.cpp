// Standalone Asio.
#include "peers/asio_timers.hpp"

#include <string>

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

}  // namespace

int main(int argument_count, char** arguments) {
  using namespace detent::bench;
  return run_program<asio_strand<standalone>, asio_mutex<standalone>>(argument_count, arguments);
}
