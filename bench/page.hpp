// The results of a run as one self-contained web page.
#pragma once

#include "results.hpp"

#include <string>

namespace detent::bench {

/// Why no page can be made, with what to do about it; empty when one can. Ask before measuring.
std::string why_no_page();

/// Loads nothing from anywhere.
std::string page(const results& all);

}  // namespace detent::bench
