// The rows of a run as tables, for the terminal and for a page in Markdown.
#pragma once

#include "results.hpp"

#include <string>

namespace detent::bench {

enum class table_form { plain, markdown };

/// One table for each metric: a line per peer, the best first, a column per number of timers. In brackets, how many
/// times Detent's own figure that is.
std::string tables(const results& all, table_form form);

/// Machine, versions, and what was left out.
std::string circumstances(const results& all, table_form form);

}  // namespace detent::bench
