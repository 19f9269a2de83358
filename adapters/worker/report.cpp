// report: the words and the JSON of a worker's report.
#include "report_json.hpp"

#include <detent/worker.hpp>

DETENT_BEGIN_NAMESPACE

const char* to_string(priority p) noexcept {
  switch (p) {
    case priority::background: return "background";
    case priority::low: return "low";
    case priority::normal: return "normal";
    case priority::high: return "high";
    case priority::urgent: return "urgent";
  }
  return "unknown";
}

const char* to_string(worker_stage s) noexcept {
  switch (s) {
    case worker_stage::refuse: return "refuse";
    case worker_stage::current_task: return "current_task";
    case worker_stage::callbacks: return "callbacks";
    case worker_stage::waiters: return "waiters";
    case worker_stage::io: return "io";
    case worker_stage::queue: return "queue";
    case worker_stage::farewells: return "farewells";
    case worker_stage::children: return "children";
    case worker_stage::resources: return "resources";
    case worker_stage::join: return "join";
  }
  return "unknown";
}

const char* to_string(stage_state s) noexcept {
  switch (s) {
    case stage_state::not_begun: return "not_begun";
    case stage_state::running: return "running";
    case stage_state::done: return "done";
    case stage_state::overdue: return "overdue";
  }
  return "unknown";
}

const char* to_string(fate f) noexcept {
  switch (f) {
    case fate::refused: return "refused";
    case fate::displaced: return "displaced";
    case fate::withdrawn: return "withdrawn";
    case fate::cancelled: return "cancelled";
    case fate::discarded: return "discarded";
    case fate::handed_over: return "handed_over";
    case fate::threw: return "threw";
    case fate::pending: return "pending";
    case fate::unfinished: return "unfinished";
  }
  return "unknown";
}

const char* to_string(post_result r) noexcept {
  switch (r) {
    case post_result::accepted: return "accepted";
    case post_result::displaced: return "displaced";
    case post_result::full: return "full";
    case post_result::stopping: return "stopping";
  }
  return "unknown";
}

const char* to_string(call_result r) noexcept {
  switch (r) {
    case call_result::done: return "done";
    case call_result::threw: return "threw";
    case call_result::full: return "full";
    case call_result::stopping: return "stopping";
    case call_result::cancelled: return "cancelled";
    case call_result::running: return "running";
    case call_result::timed_out: return "timed_out";
    case call_result::from_worker: return "from_worker";
  }
  return "unknown";
}

const char* to_string(reply_result r) noexcept {
  switch (r) {
    case reply_result::answered: return "answered";
    case reply_result::failed: return "failed";
    case reply_result::cancelled: return "cancelled";
    case reply_result::stopped: return "stopped";
  }
  return "unknown";
}

namespace detail {

std::string in_ms(duration d) {
  if (d == duration::max()) return "no limit";
  return std::to_string(d.count() / 1'000'000) + " ms";
}

nlohmann::json limit_of(duration d) {
  if (d == duration::max()) return nullptr;
  return d.count();
}

nlohmann::json to_json(const worker_report& report) {
  nlohmann::json stages = nlohmann::json::array();
  for (const stage_report& s : report.stages) {
    stages.push_back({{"stage", to_string(s.stage)},
                      {"state", to_string(s.state)},
                      {"limit_ns", limit_of(s.limit)},
                      {"took_ns", s.took.count()},
                      {"culprit", s.culprit}});
  }
  nlohmann::json undone_list = nlohmann::json::array();
  for (const undone& u : report.undone_list) {
    undone_list.push_back({{"kind", u.kind},
                           {"name", u.name},
                           {"priority", to_string(u.urgency)},
                           {"fate", to_string(u.fate)},
                           {"count", u.count}});
  }
  nlohmann::json children = nlohmann::json::array();
  for (const worker_report& child : report.children) children.push_back(to_json(child));
  const item_counts& i = report.items;
  return {{"worker", report.worker},
          {"complete", report.complete},
          {"from_worker", report.from_worker},
          {"stages", std::move(stages)},
          {"items",
           {{"accepted", i.accepted},
            {"refused", i.refused},
            {"done", i.done},
            {"threw", i.threw},
            {"displaced", i.displaced},
            {"withdrawn", i.withdrawn},
            {"cancelled", i.cancelled},
            {"discarded", i.discarded},
            {"handed_over", i.handed_over},
            {"queued", i.queued},
            {"running", i.running}}},
          {"late_replies", report.late_replies},
          {"undone", std::move(undone_list)},
          {"timers_left", report.timers_left ? nlohmann::json(*report.timers_left) : nlohmann::json()},
          {"children", std::move(children)}};
}

void write_text(const worker_report& report, const std::string& indent, std::string& to) {
  const item_counts& i = report.items;
  const auto part = [&](const char* name, std::uint64_t value) {
    if (value != 0) to += std::string(", ") + name + " " + std::to_string(value);
  };
  to += indent + "worker " + report.worker + ": " + (report.complete ? "complete" : "not complete") +
        (report.from_worker ? " (asked from inside)" : "") + ", accepted " + std::to_string(i.accepted) + ", done " +
        std::to_string(i.done);
  part("threw", i.threw);
  part("refused", i.refused);
  part("displaced", i.displaced);
  part("withdrawn", i.withdrawn);
  part("cancelled", i.cancelled);
  part("discarded", i.discarded);
  part("handed over", i.handed_over);
  part("queued", i.queued);
  part("running", i.running);
  part("late replies", report.late_replies);
  to += "\n";
  for (const stage_report& s : report.stages) {
    to += indent + "  stage " + to_string(s.stage) + ": " + to_string(s.state);
    if (s.state != stage_state::not_begun) to += ", took " + in_ms(s.took) + " of " + in_ms(s.limit);
    if (!s.culprit.empty()) to += ", in " + s.culprit;
    to += "\n";
  }
  for (const undone& u : report.undone_list) {
    to += indent + "  " + u.kind + " " + u.name + ": " + to_string(u.fate);
    if (u.kind == "item") to += std::string(", ") + to_string(u.urgency);
    if (u.count != 1) to += ", " + std::to_string(u.count) + " times";
    to += "\n";
  }
  if (report.timers_left) {
    for (const std::string& timer : *report.timers_left) to += indent + "  timer left: " + timer + "\n";
  }
  for (const worker_report& child : report.children) write_text(child, indent + "  ", to);
}

}  // namespace detail

std::string worker_report::text() const {
  std::string all;
  detail::write_text(*this, "", all);
  return all;
}

// Names are the user's and need not be UTF-8: what is not becomes a replacement character.
std::string worker_report::json() const {
  return detail::to_json(*this).dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

DETENT_END_NAMESPACE
