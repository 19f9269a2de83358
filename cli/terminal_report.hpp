// The report of a replay for a person at a terminal.
#pragma once

#include "replay_report.hpp"

#include <string>

namespace detent::cli {

enum class text_style {
  plain,
  coloured,  ///< with the terminal's own sixteen colours, so that it fits light and dark ones
};

/// `coloured` if the standard output is a terminal that wants colours (NO_COLOR and TERM=dumb are heeded).
text_style style_of_standard_output();

/// At most 100 columns, ends with a line end.
std::string terminal_report(const replay_report& report, text_style style);

}  // namespace detent::cli
