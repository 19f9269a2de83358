// The explorer's program; explain() says what it does.
#include "explore/report.hpp"
#include "explore/scenario.hpp"
#include "explore/search.hpp"
#include "explore/weakening.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace detent::explore;

constexpr const char* explanation = R"(explore [OPTIONS]: runs the library's own code under every schedule up to a bound

  --list              the scenarios
  --scenario NAME     only this one; repeatable
  --bound N           preemptions (default 3, with DETENT_SHORT=1 2; `all` for no bound)
  --stale N           loads of old values in one execution (default 2)
  --seconds S         of CPU time for each scenario (default 60, short 3)
  --random N          N schedules at random instead; with --pct D by priorities that change D - 1 times
  --pct D --seed S
  --set-up            plain memory is watched for races also before and after the explored part
  --replay STRING     one schedule, step by step; needs --scenario
  --weaken WHAT       without one acquire or release: `all`, `list`, a place (engine/arming.cpp:29:release) or the id of
                      a transition (T1); says which scenario notices. `again`: only the scenario that noticed when
                      docs/proof/explorer_weakened.md was written
  --jobs N            so many weakenings at once
  --busted N          with the planted bug N of src/sync/proof.hpp
  --record FILE       writes what was done there, as a page

The exit status is 1 when a scenario is violated (also by a planted bug), when a weakening that was named is noticed by
none, or with `all` and `again` when explore/unnoticed.txt does not say why; 2 for bad options.
)";

struct wishes {
  search_options search;
  std::vector<std::string> scenarios;
  std::string replay;
  std::string weaken;
  std::string record;
  int busted = 0;
  std::size_t jobs = 1;
  bool list = false;
};

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "explore: %s\n%s", why.c_str(), explanation);
  std::exit(2);
}

template <class Number>
Number to_number(std::string_view option, std::string_view text, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most) {
    refuse(std::string(option) + " wants a number from " + std::to_string(least) + " to " + std::to_string(most) +
           ", not '" + std::string(text) + "'");
  }
  return value;
}

bool is_short() {
  const char* text = std::getenv("DETENT_SHORT");
  return text != nullptr && *text != '\0' && std::strcmp(text, "0") != 0;
}

wishes read(int argc, char** argv) {
  wishes w;
  w.search.bound = is_short() ? 2 : 3;
  w.search.stale_bound = 2;
  w.search.limit_s = is_short() ? 3 : 60;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--help" || option == "-h") {
      std::fputs(explanation, stdout);
      std::exit(0);
    }
    if (option == "--set-up") {
      watching_set_up = true;
      continue;
    }
    if (option == "--list") {
      w.list = true;
      continue;
    }
    if (i + 1 == argc) refuse(std::string(option) + " wants a value, or is unknown");
    const std::string_view value = argv[++i];
    if (option == "--scenario") w.scenarios.emplace_back(value);
    else if (option == "--bound") w.search.bound = value == "all" ? 1000 : to_number(option, value, 0, 1000);
    else if (option == "--stale") w.search.stale_bound = to_number(option, value, 0, 1000);
    else if (option == "--seconds") w.search.limit_s = to_number(option, value, 1, 1'000'000);
    else if (option == "--random") w.search.random_executions = to_number<std::uint64_t>(option, value, 1, 1ULL << 40);
    else if (option == "--pct") w.search.pct_depth = to_number(option, value, 1, 16);
    else if (option == "--seed") w.search.seed = to_number<std::uint64_t>(option, value, 0, UINT64_MAX);
    else if (option == "--replay") w.replay = value;
    else if (option == "--weaken") w.weaken = value;
    else if (option == "--jobs") w.jobs = to_number<std::size_t>(option, value, 1, 64);
    else if (option == "--busted") w.busted = to_number(option, value, 1, 255);
    else if (option == "--record") w.record = value;
    else refuse("unknown option " + std::string(option));
  }
  if (w.search.pct_depth != 0 && w.search.random_executions == 0) refuse("--pct goes with --random");
  return w;
}

std::vector<scenario> chosen(const wishes& w) {
  std::vector<scenario> all;
  if (w.scenarios.empty()) all.assign(all_scenarios().begin(), all_scenarios().end());
  for (const std::string& name : w.scenarios) {
    bool known = false;
    for (const scenario& s : all_scenarios()) {
      if (name != s.name) continue;
      all.push_back(s);
      known = true;
    }
    if (!known) refuse("no scenario is called '" + name + "'; --list names them");
  }
  return all;
}

int list() {
  for (const scenario& s : all_scenarios()) std::printf("%-20s %s\n", s.name, s.what);
  return 0;
}

int replay(const wishes& w) {
  const std::vector<scenario> scenarios = chosen(w);
  if (scenarios.size() != 1 || w.scenarios.empty()) refuse("--replay needs one --scenario");
  bool fits = false;
  const search_result told = follow(scenarios.front().body, w.replay, true, &fits);
  if (!fits) std::printf("The schedule does not fit this scenario as it is now.\n");
  const bool violated = told.last.what == verdict::violated;
  std::printf("%s\n", violated ? ("VIOLATED: " + told.last.sentence).c_str() : "held");
  return violated ? 1 : (fits ? 0 : 2);
}

int explore_all(const wishes& w) {
  report told(w.search);
  for (const scenario& s : chosen(w)) {
    search_options how = w.search;
    told.begin(s.name);
    how.progress = [](std::uint64_t executions) { report::show_progress(executions); };
    told.add(s, search(s.body, how));
  }
  told.finish();
  if (!w.record.empty() && !told.write(w.record)) refuse("cannot write '" + w.record + "'");
  return told.is_violated() ? 1 : 0;
}

// With a planted bug: which scenario notices. By chance first, then with few preemptions, then with more.
int hunt(const wishes& w) {
  search_options chance;
  chance.random_executions = 300;
  search_options one;
  one.bound = 1;
  one.limit_s = 2;
  search_options two;
  two.limit_s = 5;
  for (const search_options& how : {chance, one, two, w.search}) {
    for (const scenario& s : chosen(w)) {
      const search_result found = search(s.body, how);
      if (found.last.what != verdict::violated) continue;
      std::printf("bug %d found by scenario %s: %s\n    ./dev explore --busted %d --scenario %s --replay '%s'\n",
                  w.busted, s.name, found.last.sentence.c_str(), w.busted, s.name, found.last.schedule.c_str());
      return 1;
    }
  }
  std::printf("bug %d found by none\n", w.busted);
  return 0;
}

// What is named by its place or its transition has to be found; `all` is a table.
int weaken_some(const wishes& w) {
  const std::vector<weakened_half> halves = find_halves();
  search_options how = w.search;
  if (w.search.limit_s > 20) how.limit_s = 20;
  how.limit = is_short() ? 300 : 60'000;
  const bool all = w.weaken == "all";
  weakening_report told;
  std::vector<const weakened_half*> named;
  for (const weakened_half& it : halves) {
    const bool is_named =
        all || w.weaken == "list" || w.weaken == it.name || w.weaken == it.transition || w.weaken == it.key;
    if (is_named) named.push_back(&it);
  }
  const std::size_t tried = named.size();
  std::vector<search_without> begun;
  for (std::size_t i = 0; i < tried; ++i) {
    if (w.weaken == "list") {
      std::printf("%-40s %-44s %zu scenarios\n", named[i]->name.c_str(), named[i]->key.c_str(),
                  named[i]->scenarios.size());
      continue;
    }
    while (begun.size() < tried && begun.size() < i + w.jobs) begun.push_back(begin_without(*named[begun.size()], how));
    told.add(*named[i], finish_without(begun[i]));
  }
  if (tried == 0) refuse("no access is called '" + w.weaken + "'; --weaken list names them");
  if (w.weaken == "list") return 0;
  if (all) told.finish(lines_never_reached(halves));
  if (!w.record.empty() && !told.write(w.record)) refuse("cannot write '" + w.record + "'");
  return (all ? told.open() : told.missed()) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const wishes w = read(argc, argv);
  if (w.busted != 0) setenv("DETENT_BUSTED", std::to_string(w.busted).c_str(), 1);
  if (w.list) return list();
  if (!w.replay.empty()) return replay(w);
  if (w.weaken == "again") {
    const std::vector<std::string> open = weakenings_without_verdict();
    for (const std::string& sentence : open) std::printf("%s\n", sentence.c_str());
    std::printf("%zu weakenings without a verdict\n", open.size());
    return open.empty() ? 0 : 1;
  }
  if (!w.weaken.empty()) return weaken_some(w);
  if (w.busted != 0) return hunt(w);
  return explore_all(w);
}
