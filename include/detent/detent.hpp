// detent: everything at once.
#pragma once

#include <detent/bound.hpp>
#include <detent/executor.hpp>
#include <detent/firing.hpp>
#include <detent/group.hpp>
#include <detent/observe.hpp>
#include <detent/outcome.hpp>
#include <detent/policy.hpp>
#include <detent/service.hpp>
#include <detent/testing.hpp>
#include <detent/time.hpp>
#include <detent/timer.hpp>
#include <detent/timer_id.hpp>
#include <detent/tracked_mutex.hpp>
#include <detent/version.hpp>
