// publishing: scenarios about what one thread's step makes visible to another's: each needs some release and acquire.
#pragma once

#include "explore/scenario.hpp"

#include <span>

namespace detent::explore {

std::span<const scenario> publishing_scenarios() noexcept;

}  // namespace detent::explore
