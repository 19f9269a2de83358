// arguments: which of a verb's first two arguments is the function, and which the delay.
#include "fault.hpp"

#include <detent/script.hpp>

#include <cmath>
#include <limits>

DETENT_BEGIN_NAMESPACE

namespace {

using kind = script_argument::kind;

// An argument in the words of a refusal.
std::string words_for(const script_argument& given) {
  if (!given.shown.empty()) return given.shown;
  switch (given.what) {
    case kind::missing: return "nothing";
    case kind::number: return "a number";
    case kind::function: return "a function";
    case kind::other: break;
  }
  return "a value of another type";
}

}  // namespace

script_arrangement arrange_arguments(script_rules rules, const std::string& verb, const script_argument& first,
                                     const script_argument& second) {
  script_arrangement arranged;
  if (rules == script_rules::web) {
    if (first.what != kind::function && !planted("no type check")) {
      arranged.refusal =
          verb + "(function, milliseconds, ...arguments): the first is " + words_for(first) + ", not a function";
      if (first.what == kind::number && second.what == kind::function) {
        arranged.refusal += "; only the rules of Havel take both orders";
      }
    }
    arranged.delay_ms = second.what == kind::missing ? 0 : second.number;
    if (second.what == kind::function) arranged.delay_ms = std::numeric_limits<double>::quiet_NaN();
    return arranged;
  }
  const bool is_turned = first.what == kind::function && second.what == kind::number;
  const bool is_pair = is_turned || (first.what == kind::number && second.what == kind::function);
  arranged.function_index = is_turned ? 0 : 1;
  arranged.delay_ms = is_turned ? second.number : first.number;
  if (!is_pair || std::isnan(arranged.delay_ms)) {
    arranged.refusal = verb + "(milliseconds, function, ...arguments): a number and a function are needed, not " +
                       words_for(first) + " and " + words_for(second);
  }
  return arranged;
}

DETENT_END_NAMESPACE
