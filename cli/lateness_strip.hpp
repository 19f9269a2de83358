// A histogram of lateness that fits into one line of text.
#pragma once

#include "replay_report.hpp"

#include <string>
#include <vector>

namespace detent::cli {

/// One line of block characters for each record and one for the scale under them, which is logarithmic and common to
/// both. Empty when nothing was measured. Heights are shares of the record's own count, so that records of unlike size
/// compare.
std::vector<std::string> lateness_strips(const lateness_record& timers, const lateness_record& bare_sleep);

}  // namespace detent::cli
