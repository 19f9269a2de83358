#include "explore/weakening.hpp"

#include "explore/scenario.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace detent::explore {

namespace {

namespace fs = std::filesystem;

const fs::path sources = fs::path(DETENT_SOURCE_DIR) / "src";
constexpr const char* page = "docs/proof/explorer_weakened.md";

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The first id in the comment on that line, one of the next two, or the one before: `// T1 -> T4.` is T1.
std::string transition_at(const std::vector<std::string>& lines, std::size_t line) {
  for (const std::size_t i : {line, line + 1, line + 2, line - 1}) {
    if (i == 0 || i > lines.size()) continue;
    const std::string& text = lines[i - 1];
    const std::size_t comment = text.find("// ");
    if (comment == std::string::npos) continue;
    const std::string said = text.substr(comment + 3);
    if (said.size() >= 2 && std::isupper(static_cast<unsigned char>(said[0])) != 0 &&
        std::isdigit(static_cast<unsigned char>(said[1])) != 0) {
      return said.substr(0, said.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"));
    }
  }
  return "-";
}

std::string short_name(const char* file) {
  const char* from = std::strstr(file, "src/");
  return from == nullptr ? file : from + 4;
}

// `auto detent::v0::detail::core::arm_word(uint32_t)` is core::arm_word, and what stands in a lambda is its function's.
std::string short_function(const std::string& whole) {
  std::string name;
  int depth = 0;
  for (const char c : whole) {
    if (c == '<') ++depth;
    if (depth == 0 && c == '(') break;
    if (depth == 0 && c == ' ') name.clear();
    else if (depth == 0) name += c;
    if (c == '>') --depth;
  }
  for (const std::string_view prefix : {"detent::", "v0::", "detail::"}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  return name;
}

bool acquires(std::memory_order order) noexcept {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel;
}
bool releases(std::memory_order order) noexcept {
  return order == std::memory_order_release || order == std::memory_order_acq_rel;
}

void add_halves(std::vector<weakened_half>& all, const site& s, std::size_t scenario) {
  const std::string name = short_name(s.file);
  if (std::strstr(s.file, "src/") == nullptr) return;
  const auto add = [&](half what, const char* word) {
    std::string full = name + ':' + std::to_string(s.line) + ':' + word;
    for (weakened_half& known : all) {
      if (known.what == what && known.where.column == s.column && known.name == full) {
        known.scenarios.push_back(scenario);
        return;
      }
    }
    weakened_half fresh{s, what, std::move(full), {}, {}, {scenario}};
    fresh.transition = transition_at(lines_of(sources / name), s.line);
    fresh.key = short_function(s.function) + ' ' + fresh.transition + ' ' + word;
    all.push_back(std::move(fresh));
  };
  if (s.kind != access_kind::store && acquires(s.order)) add(half::acquire, "acquire");
  if (s.kind != access_kind::load && releases(s.order)) add(half::release, "release");
  // Only what compares can fail; other exchanges have the same order twice.
  const std::vector<std::string> lines = lines_of(sources / name);
  const bool compares = s.line <= lines.size() && lines[s.line - 1].find("compare_exchange") != std::string::npos;
  if (s.kind == access_kind::exchange && compares && acquires(s.otherwise)) add(half::otherwise, "failure");
}

// Which scenario noticed each half, by its key, when the page was written; none: "".
std::map<std::string, std::string> read_noticed() {
  std::map<std::string, std::string> noticed;
  for (const std::string& line : lines_of(fs::path(DETENT_SOURCE_DIR) / page)) {
    const std::size_t first = line.find(" | ");
    const std::size_t second = first == std::string::npos ? first : line.find(" | ", first + 3);
    if (!line.starts_with("| ") || second == std::string::npos) continue;
    const std::size_t colon = line.find(": ", second);
    const bool found = colon != std::string::npos && line.compare(second + 3, 8, "nothing,") != 0;
    noticed[line.substr(first + 3, second - first - 3)] = found ? line.substr(second + 3, colon - second - 3) : "";
  }
  return noticed;
}

// First by chance, the youngest scenarios first, for they are about orders; then every schedule of few preemptions;
// then what is left of the limit.
weakening_result look_for_it(const weakened_half& it, const search_options& how) {
  weaken(it.where, it.what);
  weakening_result told;
  const auto run = [&](std::size_t scenario, const search_options& options) {
    const search_result result = search(all_scenarios()[scenario].body, options);
    told.executions += result.executions;
    if (result.last.what != verdict::violated) return false;
    told.found = true;
    told.scenario = all_scenarios()[scenario].name;
    told.sentence = result.last.sentence;
    told.schedule = result.last.schedule;
    return true;
  };
  search_options glance;
  glance.random_executions = 150;
  search_options chance;
  chance.random_executions = std::min<std::uint64_t>(how.limit, 1000);
  search_options small;
  small.bound = 1;
  small.stale_bound = 1;
  small.limit = std::min<std::uint64_t>(how.limit, 8000);
  watching_set_up = false;  // Faster.
  for (const search_options& options : {glance, glance, chance, small, how}) {
    for (std::size_t i = it.scenarios.size(); i > 0; --i) {
      if (run(it.scenarios[i - 1], options)) return told;
    }
    watching_set_up = true;
  }
  return told;
}

}  // namespace

std::vector<weakened_half> find_halves() {
  std::vector<weakened_half> all;
  search_options look;
  look.random_executions = 120;
  for (std::size_t i = 0; i < all_scenarios().size(); ++i) {
    forget_sites();
    recording_sites = true;
    search(all_scenarios()[i].body, look);
    recording_sites = false;
    const site* first = nullptr;
    const std::size_t count = recorded_sites(&first);
    for (std::size_t s = 0; s < count; ++s) add_halves(all, first[s], i);
  }
  std::sort(all.begin(), all.end(), [](const weakened_half& a, const weakened_half& b) {
    return std::tuple(short_name(a.where.file), a.where.line, a.where.column, a.what) <
           std::tuple(short_name(b.where.file), b.where.line, b.where.column, b.what);
  });
  std::map<std::string, int> seen;
  for (weakened_half& it : all) {
    const int nth = ++seen[it.key];
    if (nth > 1) it.key += ' ' + std::to_string(nth);
  }
  return all;
}

std::map<std::string, std::string> read_reasons() {
  std::map<std::string, std::string> reasons;
  for (const std::string& line : lines_of(fs::path(DETENT_SOURCE_DIR) / "explore" / "unnoticed.txt")) {
    const std::size_t bar = line.find(" | ");
    if (!line.starts_with('#') && bar != std::string::npos) reasons[line.substr(0, bar)] = line.substr(bar + 3);
  }
  return reasons;
}

std::vector<line_never_reached> lines_never_reached(const std::vector<weakened_half>& reached) {
  std::set<std::pair<std::string, std::uint32_t>> known;
  for (const weakened_half& it : reached) known.emplace(short_name(it.where.file), it.where.line);
  std::vector<line_never_reached> missing;
  for (const char* folder : {"dispatch", "engine", "lifetime", "registry", "sync"}) {
    for (const auto& entry : fs::recursive_directory_iterator(sources / folder)) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp") continue;
      const std::string name = std::string(folder) + '/' + entry.path().filename().string();
      if (name == "sync/atomic.hpp") continue;  // The seam itself.
      const std::vector<std::string> lines = lines_of(entry.path());
      for (std::uint32_t i = 1; i <= lines.size(); ++i) {
        const std::string code = lines[i - 1].substr(0, lines[i - 1].find("//"));
        const bool orders =
            code.find("memory_order_ac") != std::string::npos || code.find("memory_order_release") != std::string::npos;
        if (!orders) continue;
        bool near = false;
        for (std::uint32_t back = 0; back < 3 && back < i; ++back) near = near || known.count({name, i - back}) != 0;
        if (!near) missing.push_back({name + ':' + std::to_string(i), name + ' ' + transition_at(lines, i)});
      }
    }
  }
  std::sort(missing.begin(), missing.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return missing;
}

search_without begin_without(const weakened_half& it, const search_options& how) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    const weakening_result told = look_for_it(it, how);
    const std::string text = (told.found ? "1\n" : "0\n") + told.scenario + '\n' + told.sentence + '\n' +
                             told.schedule + '\n' + std::to_string(told.executions) + '\n';
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  return {child, ends[0]};
}

weakening_result finish_without(search_without begun) {
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = read(begun.answer, part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  close(begun.answer);
  int status = 0;
  waitpid(begun.child, &status, 0);
  std::array<std::string, 5> lines;
  std::size_t from = 0;
  for (std::string& line : lines) {
    const std::size_t to = text.find('\n', from);
    if (to == std::string::npos) return {true, "?", "the explorer's own process ended", "", 0};
    line = text.substr(from, to - from);
    from = to + 1;
  }
  return {lines[0] == "1", lines[1], lines[2], lines[3], std::strtoull(lines[4].c_str(), nullptr, 10)};
}

weakening_result try_without(const weakened_half& it, const search_options& how) {
  return finish_without(begin_without(it, how));
}

std::vector<std::string> weakenings_without_verdict() {
  const std::map<std::string, std::string> noticed = read_noticed();
  const std::map<std::string, std::string> reasons = read_reasons();
  search_options how;
  how.bound = 3;
  how.limit_s = 20;
  how.limit = 200'000;
  std::vector<std::string> open;
  const std::vector<weakened_half> halves = find_halves();
  for (const weakened_half& it : halves) {
    const std::string who = it.name + " (" + it.key + ") ";
    const auto row = noticed.find(it.key);
    if (row == noticed.end()) {
      open.push_back(who + "is not there yet: ./dev explore --weaken all --record " + page);
    } else if (row->second.empty()) {
      if (reasons.count(it.key) == 0) open.push_back(who + "was noticed by none, and nothing says why");
    } else {
      weakened_half by_one = it;
      by_one.scenarios.clear();
      for (const std::size_t s : it.scenarios) {
        if (row->second == all_scenarios()[s].name) by_one.scenarios.push_back(s);
      }
      if (!try_without(by_one, how).found) open.push_back(who + "is not noticed by " + row->second + " any more");
    }
  }
  for (const line_never_reached& line : lines_never_reached(halves)) {
    if (reasons.count(line.key) == 0) open.push_back(line.name + " is reached by none, and nothing says why");
  }
  return open;
}

}  // namespace detent::explore
