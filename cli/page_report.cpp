#include "page_report.hpp"

#include "page_parts.hpp"

#include <array>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

namespace detent::cli {
namespace {

/// '<' stands only inside of strings in JSON; escaped, no text from a trace can end the script element that holds it.
std::string json_for_script(const replay_report& report) {
  // A task or file name need not be UTF-8.
  const std::string plain = report_json(report).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(plain.size());
  for (const char c : plain) {
    if (c == '<') {
      escaped += "\\u003c";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

std::string why_no_page() {
  if (!plot_js.empty()) return {};
  return "this program was built without the plotting library that its page needs; run `npm --prefix cli ci` in the "
         "source tree "
         "and build again (./dev does both)";
}

std::string page_report(const replay_report& report) {
  const std::string json = json_for_script(report);
  const std::array<std::pair<std::string_view, std::string_view>, 5> parts = {{
      {"plot_css", plot_css},
      {"page_css", page_css},
      {"report", json},
      {"plot_js", plot_js},
      {"page_js", page_js},
  }};
  // One pass over the template: what is put in is never searched again, for a script may hold two braces as well.
  std::string page;
  std::string_view rest = page_html;
  while (true) {
    const std::size_t open = rest.find("{{");
    page += rest.substr(0, open);
    if (open == std::string_view::npos) return page;
    rest.remove_prefix(open + 2);
    const std::size_t close = rest.find("}}");
    for (const auto& [name, text] : parts) {
      if (rest.substr(0, close) == name) page += text;
    }
    rest.remove_prefix(close + 2);
  }
}

}  // namespace detent::cli
