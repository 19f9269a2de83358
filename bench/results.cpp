#include "results.hpp"

#include "peer_list.hpp"

#include <ctime>
#include <fstream>
#include <string_view>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace detent::bench {
namespace {

std::string cpu_model() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts);
  return text;
}

nlohmann::json row_json(const result_row& row) {
  const spread s = spread_of(row.values);
  nlohmann::json json{
      {"workload", row.workload}, {"metric", row.metric}, {"unit", row.unit},       {"n", row.n},
      {"threads", row.threads},   {"peer", row.peer},     {"version", row.version}, {"thread_safe", row.is_thread_safe},
      {"reps", row.values.size()}};
  const std::string suffix = row.unit == "ns" ? "_ns" : "";
  json["median" + suffix] = s.median;
  json["min" + suffix] = s.min;
  json["max" + suffix] = s.max;
  return json;
}

}  // namespace

std::string load_average() {
  std::ifstream in("/proc/loadavg");
  std::string one;
  std::string five;
  std::string fifteen;
  in >> one >> five >> fifteen;
  return one + " " + five + " " + fifteen;
}

machine_facts facts_of_this_machine() {
  utsname system{};
  uname(&system);
  machine_facts facts;
  facts.cpu = cpu_model();
  facts.cpus = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));
  facts.system = std::string(system.sysname) + " " + system.release;
#if defined(__clang__)
  facts.compiler = "clang++ " __clang_version__;
#else
  facts.compiler = "g++ " __VERSION__;
#endif
  facts.flags = DETENT_BENCH_FLAGS;
  facts.started_at = utc_now();
  facts.load_at_begin = load_average();
  return facts;
}

nlohmann::json results_json(const results& all) {
  const machine_facts& m = all.machine;
  nlohmann::json json{{"machine",
                       {{"cpu", m.cpu},
                        {"cpus", m.cpus},
                        {"system", m.system},
                        {"compiler", m.compiler},
                        {"flags", m.flags},
                        {"started_at", m.started_at},
                        {"load_at_begin", m.load_at_begin},
                        {"load_at_end", m.load_at_end}}},
                      {"version", all.version},
                      {"seed", all.seed},
                      {"rows", nlohmann::json::array()},
                      {"lateness", nlohmann::json::array()},
                      {"left_out", nlohmann::json::array()}};
  for (const result_row& row : all.rows) json["rows"].push_back(row_json(row));
  for (const lateness_row& row : all.lateness) {
    nlohmann::json buckets = nlohmann::json::array();
    for (const distribution::bucket& b : row.spread.buckets()) {
      buckets.push_back({{"from_ns", b.from}, {"to_ns", b.to}, {"count", b.count}});
    }
    json["lateness"].push_back({{"workload", row.workload},
                                {"metric", row.metric},
                                {"n", row.n},
                                {"peer", row.peer},
                                {"buckets", std::move(buckets)}});
  }
  for (const left_out_row& row : all.left_out) {
    json["left_out"].push_back({{"workload", row.workload}, {"n", row.n}, {"peer", row.peer}, {"why", row.why}});
  }
  return json;
}

const result_row* compared_with(const results& all, const result_row& row) {
  const std::string_view ours = row.is_thread_safe ? "detent" : "detent-loop";
  if (row.peer == ours || row.workload == floor_row) return nullptr;
  for (const result_row& other : all.rows) {
    if (other.peer == ours && other.workload == row.workload && other.metric == row.metric && other.n == row.n &&
        other.threads == row.threads)
      return &other;
  }
  return nullptr;
}

std::string count_text(std::uint32_t n) {
  unsigned zeros = 0;
  std::uint32_t rest = n;
  while (rest >= 10 && rest % 10 == 0) {
    rest /= 10;
    ++zeros;
  }
  if (zeros < 3) return std::to_string(n);
  return std::to_string(rest) + "e" + std::to_string(zeros);
}

}  // namespace detent::bench
