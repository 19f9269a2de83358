#include "plot.hpp"

#include "statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

namespace detent::bench {
namespace {

constexpr double width = 860;
constexpr double height = 480;
constexpr double left = 60;
constexpr double right = 700;
constexpr double top = 40;
constexpr double bottom = 430;

struct line {
  std::string peer;
  std::vector<std::pair<double, double>> points;  // number of timers, nanoseconds; ascending
};

std::vector<line> lines_of(const results& all) {
  std::map<std::string, line> by_peer;
  for (const result_row& row : all.rows) {
    if (row.workload != "churn" || row.metric != "operation") continue;
    line& l = by_peer[row.peer];
    l.peer = row.peer;
    l.points.emplace_back(row.n, spread_of(row.values).median);
  }
  std::vector<line> lines;
  for (auto& [peer, l] : by_peer) {
    std::ranges::sort(l.points);
    lines.push_back(std::move(l));
  }
  // Labels stand beside the lines' ends: from above to below.
  std::ranges::sort(lines,
                    [](const line& a, const line& b) { return a.points.back().second > b.points.back().second; });
  return lines;
}

/// Where a value stands on an axis with whole decades.
struct axis {
  int from = 0;
  int to = 1;
  double begin = 0;
  double end = 0;
  double at(double value) const {
    return begin + (std::log10(std::max(value, 1e-3)) - from) / (to - from) * (end - begin);
  }
};

axis axis_over(const std::vector<line>& lines, bool counts, double begin, double end) {
  double low = 1e300;
  double high = 0;
  for (const line& l : lines) {
    for (const auto& [n, ns] : l.points) {
      low = std::min(low, counts ? n : ns);
      high = std::max(high, counts ? n : ns);
    }
  }
  axis made{static_cast<int>(std::floor(std::log10(std::max(low, 1e-3)))),
            static_cast<int>(std::ceil(std::log10(std::max(high, 1e-3)))), begin, end};
  if (made.to <= made.from) made.to = made.from + 1;
  return made;
}

void draw_axes(std::ostringstream& svg, const axis& x, const axis& y) {
  for (int decade = x.from; decade <= x.to; ++decade) {
    const double at = x.at(std::pow(10, decade));
    svg << "<path class='grid' d='M" << at << " " << top << "V" << bottom << "'/><text x='" << at << "' y='"
        << bottom + 18 << "' text-anchor='middle'>1e" << decade << "</text>\n";
  }
  for (int decade = y.from; decade <= y.to; ++decade) {
    const double at = y.at(std::pow(10, decade));
    svg << "<path class='grid' d='M" << left << " " << at << "H" << right << "'/><text x='" << left - 6 << "' y='"
        << at + 4 << "' text-anchor='end'>" << std::pow(10, decade) << "</text>\n";
  }
  svg << "<text x='" << (left + right) / 2 << "' y='" << height - 12 << "' text-anchor='middle'>timers</text>\n";
}

}  // namespace

std::string plot_of_churn(const results& all) {
  const std::vector<line> lines = lines_of(all);
  std::ostringstream svg;
  svg << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " << width << " " << height
      << "' font-family='sans-serif' font-size='12'>\n<style>.grid{stroke:#ccc;fill:none}</style>\n"
      << "<rect width='100%' height='100%' fill='white'/>\n<text x='" << left
      << "' y='22' font-size='14'>cancel and arm anew, ns (median; lower is better)</text>\n";
  if (lines.empty()) return svg.str() + "</svg>\n";
  const axis x = axis_over(lines, true, left, right);
  const axis y = axis_over(lines, false, bottom, top);
  draw_axes(svg, x, y);
  constexpr std::array colours = {"#777777", "#9467bd", "#8c564b", "#2ca02c",
                                  "#17becf", "#bcbd22", "#7f7f7f", "#e377c2"};
  double label = 0;
  std::size_t other = 0;
  for (const line& l : lines) {
    const bool ours = std::string_view(l.peer).starts_with("detent");
    const char* const colour = ours ? "#d62728" : colours.at(other++ % colours.size());
    svg << "<path fill='none' stroke='" << colour << "' stroke-width='" << (ours ? 2.5 : 1.2) << "' d='";
    for (std::size_t at = 0; at < l.points.size(); ++at) {
      svg << (at == 0 ? "M" : "L") << x.at(l.points[at].first) << " " << y.at(l.points[at].second);
    }
    svg << "'/>\n";
    const double end = y.at(l.points.back().second);
    label = std::max(label + 14, end + 4);
    svg << "<path class='grid' d='M" << x.at(l.points.back().first) << " " << end << "L" << right + 6 << " "
        << label - 4 << "'/><text x='" << right + 10 << "' y='" << label << "' fill='" << colour << "'>" << l.peer
        << "</text>\n";
  }
  svg << "</svg>\n";
  return svg.str();
}

}  // namespace detent::bench
