// The plot of a run as a picture for pages that run no scripts.
#pragma once

#include "results.hpp"

#include <string>

namespace detent::bench {

/// Nanoseconds of one operation of churn over the number of timers, both on logarithmic scales, a line per row: SVG.
std::string plot_of_churn(const results& all);

}  // namespace detent::bench
