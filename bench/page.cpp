#include "page.hpp"

#include "page_parts.hpp"
#include "page_report.hpp"
#include "page_template.hpp"

#include <string_view>

#include <nlohmann/json.hpp>

namespace detent::bench {

extern const std::string_view bench_page_html;  // with {{name}} where the other parts belong
extern const std::string_view bench_page_css;
extern const std::string_view bench_page_js;

std::string why_no_page() { return cli::why_no_page(); }

std::string page(const results& all) {
  const std::string json = cli::json_for_script(results_json(all));
  return cli::filled_page(bench_page_html, {{"plot_css", cli::plot_css},
                                            {"base_css", cli::page_css},
                                            {"page_css", bench_page_css},
                                            {"report", json},
                                            {"plot_js", cli::plot_js},
                                            {"page_js", bench_page_js}});
}

}  // namespace detent::bench
