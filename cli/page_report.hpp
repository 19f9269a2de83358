// The report of a replay as one self-contained web page.
#pragma once

#include "replay_report.hpp"

#include <string>

namespace detent::cli {

/// Why no page can be made, with what to do about it; empty when one can. Ask before a long replay, not after.
std::string why_no_page();

/// Loads nothing from anywhere. Names from the trace cannot become markup in it.
std::string page_report(const replay_report& report);

}  // namespace detent::cli
