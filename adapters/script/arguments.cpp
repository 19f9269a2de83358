// arguments: which of a verb's first two arguments is the function, and which the delay.
#include "fault.hpp"

#include <detent/script.hpp>

#include <cmath>
#include <limits>

DETENT_BEGIN_NAMESPACE

namespace {

// What stands where a function should be.
std::string words_for(script_argument what) {
  if (what.what == script_argument::kind::missing) return "is missing";
  return what.what == script_argument::kind::number ? "is a number, not a function" : "is not a function";
}

}  // namespace

script_arrangement arrange_arguments(script_rules rules, const std::string& verb, script_argument first,
                                     script_argument second) {
  using kind = script_argument::kind;
  script_arrangement arranged;
  if (rules == script_rules::web) {
    if (first.what != kind::function && !planted("no type check")) {
      arranged.refusal = verb + "(function, milliseconds, ...arguments): the first " + words_for(first);
      if (first.what == kind::number && second.what == kind::function) {
        arranged.refusal += "; only the rules of Havel take both orders";
      }
    }
    arranged.delay_ms = second.what == kind::missing ? 0 : second.number;
    if (second.what == kind::function) arranged.delay_ms = std::numeric_limits<double>::quiet_NaN();
    return arranged;
  }
  const bool is_turned = first.what == kind::function && second.what == kind::number;
  if (!is_turned && !(first.what == kind::number && second.what == kind::function)) {
    arranged.refusal = verb + "(milliseconds, function, ...arguments): a number and a function are needed";
    return arranged;
  }
  arranged.function_index = is_turned ? 0 : 1;
  arranged.delay_ms = is_turned ? second.number : first.number;
  if (std::isnan(arranged.delay_ms)) {
    arranged.refusal = verb + "(milliseconds, function, ...arguments): the delay is not a number";
  }
  return arranged;
}

DETENT_END_NAMESPACE
