// timeout_server: an HTTP/1.1 server that ends well. README.md tells what it serves and how it stops.
#include "connection.hpp"
#include "disk_queue.hpp"
#include "listener.hpp"
#include "site.hpp"
#include "upstream.hpp"

#include <detent/detent.hpp>
#include <detent/shutdown_plan.hpp>
#include <detent/worker.hpp>
#include <detent/worker_io.hpp>

#include <asio.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

using namespace std::chrono_literals;

namespace {

struct choices {
  std::uint16_t port = 0;
  std::string queue = "timeout_server.queue";
  std::chrono::milliseconds stop{10'000};
  std::chrono::milliseconds hurry{1'000};
  std::chrono::milliseconds statistics{1'000};
  timeout_server::limits allowed;
};

void add_time(CLI::App& app, const char* name, std::chrono::milliseconds& to, const char* about) {
  app.add_option_function<std::int64_t>(
         name, [&to](std::int64_t ms) { to = std::chrono::milliseconds(ms); }, about)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{86'400'000}))
      ->default_str(std::to_string(to.count()));
}

void describe(CLI::App& app, choices& chosen) {
  app.add_option("--port", chosen.port, "listen here on 127.0.0.1; 0: any; unused when LISTEN_FDS hands a socket over")
      ->capture_default_str();
  app.add_option("--queue", chosen.queue, "the file that POST /items and statistics are appended to")
      ->capture_default_str();
  add_time(app, "--idle-ms", chosen.allowed.idle, "a connection without a request is closed after this");
  add_time(app, "--request-ms", chosen.allowed.request, "a request is answered 504 after this");
  add_time(app, "--linger-ms", chosen.allowed.linger, "the idle limit while stopping");
  add_time(app, "--statistics-ms", chosen.statistics, "a line of statistics goes to the queue this often");
  add_time(app, "--stop-ms", chosen.stop, "the whole shutdown takes at most this");
  add_time(app, "--hurry-ms", chosen.hurry, "a second signal leaves at most this of it");
}

struct ending {
  detent::plan_report report;
  std::optional<timeout_server::ledger> counts;  // none while the loop may still be at them
  std::uint64_t stored = 0;
};

void print(const ending& told) {
  std::fputs(told.report.text().c_str(), stderr);
  std::printf("{\"ledger\": %s,\n\"stored\": %llu,\n\"shutdown\": %s}\n",
              told.counts ? told.counts->json().c_str() : "null", static_cast<unsigned long long>(told.stored),
              told.report.json().c_str());
  std::fflush(nullptr);
}

ending serve(const choices& chosen, detent::shutdown_plan& plan) {
  timeout_server::on_loop loop_executor;
  detent::service_options timer_options;
  timer_options.name = "timers";
  timer_options.executor = loop_executor;
  detent::timer_service timers(std::move(timer_options));

  detent::worker disk(timers, {.name = "disk", .queue_limit = 4096, .when_full = detent::when_full::refuse});
  timeout_server::disk_queue queue(disk, chosen.queue);
  detent::worker http(timers, {.name = "http"});
  detent::worker_io io(http, "loop");
  loop_executor.loop = &io.context();

  timeout_server::flaky_upstream upstream(io);
  timeout_server::site site{
      .timers = timers, .io = io, .disk = queue, .allowed = chosen.allowed, .upstream = upstream.address()};
  timeout_server::listener door(site, chosen.port);
  detent::timer statistics(timers, [&] { static_cast<void>(queue.append("statistics " + site.counts.json())); });

  // The door stops first, then the loop it uses, which closes what did not end by itself; the disk queue empties after
  // everyone who posts to it, and the timers end last.
  const detent::plan_part door_part = plan.add("door", [&](detent::plan_time& time) {
    asio::post(io.context(), [&] { door.drain(); });
    return site.drained.wait(time);
  });
  const detent::plan_part http_part = plan.add(http);
  const detent::plan_part disk_part = plan.add(disk);
  const detent::plan_part timers_part = plan.add(timers, "timers");
  plan.uses(door_part, http_part);
  plan.uses(http_part, disk_part);
  plan.uses(disk_part, timers_part);
  // Comes after the stage io. Where the loop has ended, nobody else touches the site any more; where a handler has held
  // it up for longer than that stage, the site is still the loop's, and the program ends without destroying it.
  http.on_farewell([&] {
    if (!io.context().stopped()) return;
    statistics.close();  // Nothing would call it any more.
    while (!site.connections.empty()) site.connections.begin()->second->end(site.counts.abandoned);
    site.last_has_come = true;
    site.tell_when_drained();  // The door may be waiting still, if a second signal took its time away.
  });

  disk.start();
  http.start();
  asio::post(io.context(), [&] { door.accept(); });
  statistics.arm_every(chosen.statistics);
  std::printf("listening on 127.0.0.1:%u\n", static_cast<unsigned>(door.port()));
  std::fflush(stdout);
  plan.ready();
  plan.feed_watchdog(timers);

  plan.wait();
  ending told;
  told.report = plan.shutdown(chosen.stop);
  const bool loop_has_ended = io.context().stopped();
  if (loop_has_ended) told.counts = site.counts;
  told.stored = queue.lines_stored();
  if (!told.report.complete || !loop_has_ended) {
    // What is still in progress uses what stands here, for as long as it likes: nothing is destroyed under it.
    print(told);
    std::_Exit(1);
  }
  return told;
}

}  // namespace

int main(int argument_count, char** arguments) {
  choices chosen;
  CLI::App app("An HTTP/1.1 server with timeouts everywhere, which loses nothing when it is told to stop.");
  describe(app, chosen);
  CLI11_PARSE(app, argument_count, arguments);
  try {
    std::thread([] {}).join();  // With the first thread a sanitizer makes one of its own, which stays.
    detent::shutdown_plan plan({.name = "timeout_server", .after_second_signal = chosen.hurry});
    plan.take_signals();  // Before there is any other thread, so that all of them have the signals blocked.
    ending told = serve(chosen, plan);
    plan.list_left(told.report);
    print(told);
    const timeout_server::ledger& counts = told.counts.value();
    const bool all_answered = counts.accepted == counts.answered + counts.gone + counts.abandoned;
    return all_answered && told.report.threads_left.empty() && told.report.files_left.empty() ? 0 : 1;
  } catch (const std::exception& reason) {
    std::fprintf(stderr, "timeout_server: %s\n", reason.what());
    return 1;
  }
}
