// Boost.Asio.
#include "peers/asio_timers.hpp"

#include <boost/asio.hpp>
#include <string>

namespace {

struct of_boost {
  static constexpr auto mutex_name = "boost-asio-mutex";
  static constexpr auto strand_name = "boost-asio-strand";
  using context = boost::asio::io_context;
  using timer = boost::asio::steady_timer;
  using error = boost::system::error_code;
  using work = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
  using strand = boost::asio::strand<boost::asio::io_context::executor_type>;

  static std::string version() {
    return std::to_string(BOOST_ASIO_VERSION / 100000) + "." + std::to_string(BOOST_ASIO_VERSION / 100 % 1000) + "." +
           std::to_string(BOOST_ASIO_VERSION % 100);
  }
  static work work_of(context& c) { return boost::asio::make_work_guard(c); }
  static strand strand_of(context& c) { return boost::asio::make_strand(c); }
  template <class F>
  static void post(strand& s, F&& f) {
    boost::asio::post(s, std::forward<F>(f));
  }
};

}  // namespace

int main(int argument_count, char** arguments) {
  using namespace detent::bench;
  return run_program<asio_strand<of_boost>, asio_mutex<of_boost>>(argument_count, arguments);
}
