// The files that the page is made of, embedded when the program was built (cli.cmake).
#pragma once

#include <string_view>

namespace detent::cli {

extern const std::string_view page_html;  ///< with {{name}} where the other parts belong
extern const std::string_view page_css;
extern const std::string_view page_js;
extern const std::string_view plot_css;
extern const std::string_view plot_js;  ///< uPlot; empty when it was not there to be embedded

}  // namespace detent::cli
