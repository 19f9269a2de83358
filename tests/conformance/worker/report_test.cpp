// Reports as JSON: a parser reads them, and each field is there with its value and no other, also where names have to
// be escaped or are no UTF-8.
#include <detent/shutdown_plan.hpp>
#include <detent/worker.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// What JSON can say of a name: each byte here that is no UTF-8 is replaced by U+FFFD.
std::string said(const std::string& name) {
  std::string all;
  for (const char c : name) c == '\xff' ? all += "\xef\xbf\xbd" : all += c;
  return all;
}

json said(const std::vector<std::string>& names) {
  json all = json::array();
  for (const std::string& name : names) all.push_back(said(name));
  return all;
}

json said(const std::optional<std::vector<std::string>>& names) { return names ? said(*names) : json(); }

json said(detent::duration limit) { return limit == detent::duration::max() ? json() : json(limit.count()); }

// The whole value: what is missing, is too much, or differs shows in the comparison.
json said(const detent::worker_report& report) {
  json stages = json::array();
  for (const detent::stage_report& s : report.stages) {
    json stage;
    stage["stage"] = to_string(s.stage);
    stage["state"] = to_string(s.state);
    stage["limit_ns"] = said(s.limit);
    stage["took_ns"] = s.took.count();
    stage["culprit"] = said(s.culprit);
    stages.push_back(stage);
  }
  json undone = json::array();
  for (const detent::undone& u : report.undone_list) {
    json one;
    one["kind"] = said(u.kind);
    one["name"] = said(u.name);
    one["priority"] = to_string(u.urgency);
    one["fate"] = to_string(u.fate);
    one["count"] = u.count;
    undone.push_back(one);
  }
  json items;
  items["accepted"] = report.items.accepted;
  items["refused"] = report.items.refused;
  items["done"] = report.items.done;
  items["threw"] = report.items.threw;
  items["displaced"] = report.items.displaced;
  items["withdrawn"] = report.items.withdrawn;
  items["cancelled"] = report.items.cancelled;
  items["discarded"] = report.items.discarded;
  items["handed_over"] = report.items.handed_over;
  items["queued"] = report.items.queued;
  items["running"] = report.items.running;
  json children = json::array();
  for (const detent::worker_report& child : report.children) children.push_back(said(child));
  json all;
  all["worker"] = said(report.worker);
  all["complete"] = report.complete;
  all["from_worker"] = report.from_worker;
  all["stages"] = stages;
  all["items"] = items;
  all["late_replies"] = report.late_replies;
  all["undone"] = undone;
  all["timers_left"] = said(report.timers_left);
  all["children"] = children;
  return all;
}

json said(const detent::shutdown_report& report) {
  json running = json::array();
  for (const detent::timer_name& timer : report.still_running) running.push_back(said(timer.name));
  json all;
  all["complete"] = report.complete;
  all["fired"] = report.fired;
  all["cancelled"] = report.cancelled;
  all["dropped"] = report.dropped;
  all["still_running"] = running;
  return all;
}

json said(const detent::plan_report& report) {
  json parts = json::array();
  for (const detent::part_report& p : report.parts) {
    json part;
    part["name"] = said(p.name);
    part["state"] = to_string(p.state);
    part["turn"] = p.turn;
    part["limit_ns"] = said(p.limit);
    part["took_ns"] = p.took.count();
    part["error"] = said(p.error);
    if (p.worker) part["worker"] = said(*p.worker);
    if (p.service) part["service"] = said(*p.service);
    parts.push_back(part);
  }
  json all;
  all["complete"] = report.complete;
  all["partial"] = report.partial;
  all["stops_asked"] = report.stops_asked;
  all["limit_ns"] = said(report.limit);
  all["took_ns"] = report.took.count();
  all["parts"] = parts;
  all["threads_left"] = said(report.threads_left);
  all["files_left"] = said(report.files_left);
  all["memory_left"] = said(report.memory_left);
  return all;
}

// What a name may be: escapes of all kinds, other scripts, nothing at all, and bytes that are no UTF-8.
const std::vector<std::string> names{"plain",
                                     "a \"quoted\" one",
                                     "back\\slash / slash",
                                     std::string("all\0 of\x01 it\x1f\b\f\n\r\t\x7f", 18),
                                     "\xc3\xa4\xe2\x82\xac\xf0\x9f\x95\x92 \xe2\x80\xa8",
                                     "",
                                     "no \xff UTF-8 \xff\xff"};

// Every number is another one, so that none can stand for its neighbour.
class made_up {
 public:
  detent::worker_report worker(std::size_t depth) {
    detent::worker_report report;
    report.worker = name();
    report.complete = flag();
    report.from_worker = flag();
    for (std::size_t i = 0; i < detent::worker_stage_count; ++i) {
      report.stages[i] = {.stage = static_cast<detent::worker_stage>(i),
                          .state = static_cast<detent::stage_state>(i % 4),
                          .limit = i % 3 == 0 ? detent::duration::max() : detent::duration(number()),
                          .took = detent::duration(number()),
                          .culprit = name()};
    }
    for (std::uint64_t* count :
         {&report.items.accepted, &report.items.refused, &report.items.done, &report.items.threw,
          &report.items.displaced, &report.items.withdrawn, &report.items.cancelled, &report.items.discarded,
          &report.items.handed_over, &report.items.queued, &report.items.running, &report.late_replies}) {
      *count = static_cast<std::uint64_t>(number());
    }
    report.items.done = ~std::uint64_t{0};  // More than a signed one holds.
    for (int i = 0; i < 9; ++i) {
      report.undone_list.push_back({.kind = name(),
                                    .name = name(),
                                    .urgency = static_cast<detent::priority>(i % 5),
                                    .fate = static_cast<detent::fate>(i),
                                    .count = static_cast<std::uint64_t>(number())});
    }
    if (flag()) report.timers_left = names;
    for (std::size_t i = 0; i < depth; ++i) report.children.push_back(worker(depth - 1));
    return report;
  }

  detent::plan_report plan() {
    detent::plan_report report;
    report.complete = flag();
    report.partial = flag();
    report.stops_asked = static_cast<std::size_t>(number());
    report.limit = flag() ? detent::duration::max() : detent::duration(number());
    report.took = detent::duration(number());
    for (std::size_t i = 0; i < 3 * names.size(); ++i) {
      detent::part_report part;
      part.name = name();
      part.state = static_cast<detent::part_state>(i % 4);
      part.turn = static_cast<std::size_t>(number());
      part.limit = i % 2 == 0 ? detent::duration::max() : detent::duration(number());
      part.took = detent::duration(number());
      part.error = name();
      if (i % 3 == 0) part.worker = worker(2);
      if (i % 3 == 1) {
        part.service.emplace();
        part.service->complete = flag();
        part.service->fired = static_cast<std::uint64_t>(number());
        part.service->cancelled = static_cast<std::uint64_t>(number());
        part.service->dropped = static_cast<std::uint64_t>(number());
        part.service->still_running.emplace_back();
        part.service->still_running.back().name = "timer " + name();
      }
      report.parts.push_back(part);
    }
    report.threads_left = names;
    report.files_left = {name(), name()};
    if (flag()) report.memory_left = names;
    return report;
  }

 private:
  std::int64_t number() { return ++numbers_ * 1'000'003; }
  bool flag() { return ++flags_ % 3 != 0; }
  std::string name() { return names[++names_given_ % names.size()]; }
  std::int64_t numbers_ = 0;
  std::size_t flags_ = 0;
  std::size_t names_given_ = 0;
};

TEST(reports, a_parser_reads_every_field_of_a_worker) {
  made_up source;
  for (std::size_t round = 0; round < support::times(20, 3); ++round) {
    const detent::worker_report report = source.worker(round % 3);
    EXPECT_EQ(json::parse(report.json()), said(report));
  }
  EXPECT_EQ(json::parse(detent::worker_report{}.json()), said(detent::worker_report{}));
}

TEST(reports, a_parser_reads_every_field_of_a_plan) {
  made_up source;
  for (std::size_t round = 0; round < support::times(20, 3); ++round) {
    const detent::plan_report report = source.plan();
    EXPECT_EQ(json::parse(report.json()), said(report));
  }
  EXPECT_EQ(json::parse(detent::plan_report{}.json()), said(detent::plan_report{}));
}

// The same of a program's: names come through workers, services and plans as they were given.
TEST(reports, a_parser_reads_what_a_program_made) {
  support::gate busy;
  support::gate release;
  detent::timer_service service;
  detent::timer stuck(service, {.name = names[1]}, [&] {
    busy.open();
    release.pass();
  });
  stuck.arm_after(0ms);
  busy.pass();
  detent::timer_service other;
  detent::worker parent(other, {.name = names[2]});
  detent::worker child(parent, other, {.name = names[6], .at_end = detent::queue_end::discard});
  for (const std::string& name : names) {
    ASSERT_EQ(parent.post([] { throw std::runtime_error("no"); }, {.name = name}), detent::post_result::accepted);
    ASSERT_EQ(child.post([] {}, {.name = name}), detent::post_result::accepted);
  }
  parent.start();
  EXPECT_EQ(parent.call_and_wait([] {}), detent::call_result::done);
  detent::shutdown_plan plan;
  plan.add(parent);
  plan.add(service, names[4]);
  plan.add(names[6], [](detent::duration) -> bool { throw std::runtime_error(names[3].c_str()); });
  const detent::plan_report report = plan.shutdown(1s);
  release.open();
  const json read = json::parse(report.json());
  EXPECT_EQ(read, said(report));
  EXPECT_EQ(read["parts"][0]["worker"]["worker"], names[2]);
  EXPECT_EQ(read["parts"][0]["worker"]["undone"].size(), names.size());
  EXPECT_EQ(read["parts"][0]["worker"]["children"][0]["worker"], "no \xef\xbf\xbd UTF-8 \xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(read["parts"][1]["service"]["still_running"][0], names[1]);
  EXPECT_EQ(read["parts"][2]["error"], "all");
}

}  // namespace
