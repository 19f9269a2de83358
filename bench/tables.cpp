#include "tables.hpp"

#include "peer_list.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

namespace detent::bench {
namespace {

/// A column of a table: a number of timers, and of threads.
using column = std::pair<std::uint32_t, std::uint32_t>;

struct table {
  std::string workload;
  std::string metric;
  std::string unit;
  std::vector<column> columns;                        // ascending
  std::vector<std::vector<const result_row*>> lines;  // by peer; nullptr where there is none
};

std::string number_text(double value) {
  std::array<char, 32> text{};
  const double size = std::abs(value);
  std::snprintf(text.data(), text.size(), "%.*f", size < 9.95 && value != 0 ? 1 : 0, value);
  return text.data();
}

std::string value_text(const result_row& row, const result_row* ours) {
  const double median = spread_of(row.values).median;
  std::string text = number_text(median);
  if (ours == nullptr) return text;
  const double base = spread_of(ours->values).median;
  if (base <= 0 || median <= 0) return text;
  std::array<char, 32> ratio{};
  std::snprintf(ratio.data(), ratio.size(), " (%.*f)", median / base < 9.95 ? 1 : 0, median / base);
  return text + ratio.data();
}

std::vector<table> tables_of(const results& all) {
  std::vector<table> made;
  for (const result_row& row : all.rows) {
    auto at = std::ranges::find_if(
        made, [&](const table& t) { return t.workload == row.workload && t.metric == row.metric; });
    if (at == made.end()) at = made.insert(at, table{row.workload, row.metric, row.unit, {}, {}});
    const column c{row.n, row.threads};
    if (std::ranges::find(at->columns, c) == at->columns.end()) at->columns.push_back(c);
  }
  for (table& t : made) {
    std::ranges::sort(t.columns);
    std::map<std::string, std::vector<const result_row*>> lines;
    for (const result_row& row : all.rows) {
      if (row.workload != t.workload || row.metric != t.metric) continue;
      auto& line = lines[row.peer];
      line.resize(t.columns.size());
      const auto at = std::ranges::find(t.columns, column{row.n, row.threads}) - t.columns.begin();
      line[static_cast<std::size_t>(at)] = &row;
    }
    for (auto& [peer, line] : lines) t.lines.push_back(std::move(line));
    // Whoever got furthest first, then the quickest there.
    std::ranges::sort(t.lines, [](const auto& a, const auto& b) {
      for (std::size_t at = a.size(); at-- > 0;) {
        if ((a[at] == nullptr) != (b[at] == nullptr)) return a[at] != nullptr;
        if (a[at] != nullptr) return spread_of(a[at]->values).median < spread_of(b[at]->values).median;
      }
      return false;
    });
  }
  return made;
}

std::string head_of(const table& t, const column& c) {
  if (t.workload == floor_row) return c.first == 1 ? "-" : count_text(c.first) + " lines";
  std::string text = count_text(c.first);
  if (c.second != 1) text += " x " + std::to_string(c.second) + " threads";
  return text;
}

const result_row& any_of(const std::vector<const result_row*>& line) {
  return **std::ranges::find_if(line, [](const result_row* row) { return row != nullptr; });
}

/// Heads first.
std::vector<std::vector<std::string>> cells_of(const table& t, const results& all) {
  std::vector<std::vector<std::string>> cells;
  cells.push_back({t.workload + ": " + t.metric + ", " + t.unit});
  for (const column& c : t.columns) cells.back().push_back(head_of(t, c));
  for (const auto& line : t.lines) {
    cells.push_back({any_of(line).peer});
    for (const result_row* row : line) {
      cells.back().push_back(row == nullptr ? "-" : value_text(*row, compared_with(all, *row)));
    }
  }
  return cells;
}

std::string set_plain(const std::vector<std::vector<std::string>>& cells) {
  std::vector<std::size_t> widths;
  for (const auto& line : cells) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t at = 0; at < line.size(); ++at) widths[at] = std::max(widths[at], line[at].size());
  }
  std::string text;
  for (const auto& line : cells) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      const std::string padding(widths[at] - line[at].size(), ' ');
      text += at == 0 ? line[at] + padding : "  " + padding + line[at];
    }
    text += "\n";
  }
  return text;
}

std::string set_markdown(const std::vector<std::vector<std::string>>& cells) {
  std::string text;
  for (std::size_t at = 0; at < cells.size(); ++at) {
    for (const std::string& cell : cells[at]) text += "| " + cell + " ";
    text += "|\n";
    if (at != 0) continue;
    text += "|---";
    for (std::size_t k = 1; k < cells[at].size(); ++k) text += "|---:";
    text += "|\n";
  }
  return text;
}

}  // namespace

std::string tables(const results& all, table_form form) {
  std::string text;
  for (const table& t : tables_of(all)) {
    if (!text.empty()) text += "\n";
    const auto cells = cells_of(t, all);
    text += form == table_form::markdown ? set_markdown(cells) : set_plain(cells);
  }
  return text;
}

std::string circumstances(const results& all, table_form form) {
  const char* const item = form == table_form::markdown ? "- " : "";
  const machine_facts& m = all.machine;
  std::string text;
  text +=
      item + m.cpu + ", " + std::to_string(m.cpus) + " CPUs, " + m.system + ", " + m.compiler + " " + m.flags + "\n";
  text += item + m.started_at + " UTC, seed " + std::to_string(all.seed) + ", load average " + m.load_at_begin +
          " before and " + m.load_at_end + " after\n";
  std::map<std::string, std::string> versions;
  for (const result_row& row : all.rows) {
    if (row.workload != floor_row) versions[row.peer] = row.version;
  }
  if (!versions.empty()) text += std::string(item) + "versions:";
  const char* between = " ";
  for (const auto& [peer, version] : versions) {
    text += between + peer + " " + version;
    between = ", ";
  }
  if (!versions.empty()) {
    text += "\n";
    text += std::string(item) +
            "in brackets: times the figure of `detent`, or of `detent-loop` for those that only one thread may use\n";
  }
  for (const left_out_row& row : all.left_out) {
    text += item + std::string("left out: ") + row.peer;
    if (!row.workload.empty()) text += ", " + row.workload;
    if (row.n != 0) text += " at n = " + count_text(row.n) + " and above";
    text += ": " + row.why + "\n";
  }
  return text;
}

}  // namespace detent::bench
