#include "page_report.hpp"

#include "page_parts.hpp"
#include "page_template.hpp"

#include <nlohmann/json.hpp>

namespace detent::cli {

std::string why_no_page() {
  if (!plot_js.empty()) return {};
  return "this program was built without the plotting library that its page needs; run `npm --prefix cli ci` in the "
         "source tree "
         "and build again (./dev does both)";
}

std::string page_report(const replay_report& report) {
  const std::string json = json_for_script(report_json(report));
  return filled_page(
      page_html,
      {{"plot_css", plot_css}, {"page_css", page_css}, {"report", json}, {"plot_js", plot_js}, {"page_js", page_js}});
}

}  // namespace detent::cli
