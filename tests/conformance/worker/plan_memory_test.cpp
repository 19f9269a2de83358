// Memory that is short while a plan is carried out, on the thread that asks for it and on those that end its parts: all
// parts end all the same, whoever waits gets a report, and one that lacks something says so.
#include <detent/shutdown_plan.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <support/failing_memory.hpp>
#include <support/gate.hpp>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::part_state;

const char* const long_name = "a name that does not fit into what a string keeps in itself";

// A program of two turns: a worker that leaves something undone and a function that fails, then a service.
struct program {
  program() {
    EXPECT_EQ(net.post([] { throw std::runtime_error("no"); }, {.name = long_name}), detent::post_result::accepted);
    net.start();
    EXPECT_EQ(net.call_and_wait([] {}), detent::call_result::done);
    const detent::plan_part worker = plan.add(net);
    const detent::plan_part function = plan.add(long_name, [this](detent::duration) -> bool {
      ++calls;
      throw error;
    });
    const detent::plan_part last = plan.add(service, long_name);
    plan.uses(worker, last);
    plan.uses(function, last);
    pending.arm_after(1h);
  }

  const std::runtime_error error{long_name};  // Its copies share their words.
  int calls = 0;
  detent::timer_service service;
  detent::worker net{service, {.name = long_name}};
  detent::shutdown_plan plan;
  detent::timer_service later{{.name = "later"}};  // Its thread is left when the plan has been carried out.
  detent::timer pending{service, [] {}};
};

void expect_lines(const detent::plan_report& report, const std::string& note) {
  ASSERT_EQ(report.parts.size(), 3U) << note;
  for (const detent::part_report& p : report.parts) {
    EXPECT_EQ(p.state, part_state::cancelled) << note << '\n' << report.text();
    EXPECT_EQ(p.turn, &p == &report.parts.back() ? 1U : 0U) << note;
    EXPECT_GT(p.limit, 0s) << note;
  }
}

void expect_lists(const detent::plan_report& report, const detent::shutdown_plan& plan, const std::string& note) {
  detent::plan_report now;
  plan.list_left(now);
  EXPECT_FALSE(now.threads_left.empty()) << note;
  EXPECT_EQ(report.threads_left.size(), now.threads_left.size()) << note << '\n' << report.text();
  EXPECT_EQ(report.files_left, now.files_left) << note;
  EXPECT_EQ(report.memory_left, now.memory_left) << note;
}

// Nothing is missing that the report does not say is missing.
void expect_whole(const detent::plan_report& report, const detent::shutdown_plan& plan, const std::string& note) {
  EXPECT_FALSE(report.partial) << note;
  for (const detent::part_report& p : report.parts) EXPECT_EQ(p.name, long_name) << note;
  ASSERT_TRUE(report.parts.at(0).worker.has_value()) << note;
  EXPECT_EQ(report.parts[0].worker->worker, long_name) << note;
  EXPECT_EQ(report.parts[0].worker->undone_list.size(), 1U) << note;
  EXPECT_EQ(report.parts.at(1).error, long_name) << note;
  ASSERT_TRUE(report.parts.at(2).service.has_value()) << note;
  EXPECT_EQ(report.parts[2].service->cancelled, 1U) << note;
  expect_lists(report, plan, note);
}

TEST(plan_memory, is_short_for_who_shuts_down) {
  bool was_late = true;
  for (long which = 0; was_late; ++which) {
    ASSERT_LT(which, 1000);
    const auto note = "allocation " + std::to_string(which);
    program p;
    detent::plan_report report;
    was_late = support::with_failing_allocation(which, [&] { report = p.plan.shutdown(support::patience); });
    EXPECT_TRUE(report.complete) << note;
    EXPECT_EQ(p.calls, 1) << note;
    expect_lines(report, note);
    if (!report.partial) expect_whole(report, p.plan, note);
    EXPECT_TRUE(was_late || !report.partial) << note;
    const detent::plan_report again = p.plan.shutdown(support::patience);
    expect_lines(again, note);
    if (!again.partial) expect_whole(again, p.plan, note);
  }
}

TEST(plan_memory, is_short_for_who_ends_a_part) {
  long failed = 1;
  for (long which = 0; failed != 0; ++which) {
    ASSERT_LT(which, 1000);
    const auto note = "allocation " + std::to_string(which);
    program p;
    support::failed_allocations.store(0);
    support::failing_allocation_of_new_threads.store(which);
    const detent::plan_report report = p.plan.shutdown(support::patience);
    support::failing_allocation_of_new_threads.store(-1);
    failed = support::failed_allocations.load();
    EXPECT_TRUE(report.complete) << note;
    EXPECT_EQ(p.calls, 1) << note;
    expect_lines(report, note);
    if (!report.partial) expect_whole(report, p.plan, note);
    EXPECT_TRUE(failed != 0 || !report.partial) << note;
  }
}

// As long as there is none for a worker's report, nobody can say that it has ended: it is not called so.
TEST(plan_memory, stays_short_for_who_ends_a_part) {
  program p;
  support::failing_allocation_of_new_threads.store(support::all_allocations);
  const detent::plan_report report = p.plan.shutdown(500ms);
  support::failing_allocation_of_new_threads.store(-1);
  EXPECT_TRUE(report.partial);
  ASSERT_EQ(report.parts.size(), 3U);
  EXPECT_EQ(report.parts[0].state, part_state::abandoned) << report.text();
  EXPECT_EQ(report.parts[1].state, part_state::cancelled) << report.text();
  EXPECT_EQ(report.parts[2].state, part_state::cancelled) << report.text();
  EXPECT_TRUE(p.net.report().complete);
  EXPECT_NE(report.text().find("partial: memory was short"), std::string::npos) << report.text();
}

// With none at all the plan is still carried out, by the thread that asked for it.
TEST(plan_memory, stays_short_for_who_shuts_down) {
  program p;
  detent::plan_report report;
  support::with_failing_allocation(support::all_allocations, [&] { report = p.plan.shutdown(500ms); });
  EXPECT_TRUE(report.partial);
  EXPECT_EQ(p.calls, 1);
  EXPECT_TRUE(p.net.report().complete);
  const detent::plan_report again = p.plan.shutdown(500ms);
  EXPECT_EQ(again.parts.size(), 3U);
  EXPECT_TRUE(again.partial);
}

}  // namespace
