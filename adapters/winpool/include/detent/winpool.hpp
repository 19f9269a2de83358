// winpool: what the Windows thread pool on this system offers beside Microsoft's declarations.
#pragma once

#include <detent/testing.hpp>
#include <detent/version.hpp>

DETENT_BEGIN_NAMESPACE

namespace winpool {

// From now on timers, time-outs of waits, and the functions that tell the time go by `clock`, which tests move. The
// clock must live as long as the process. Answers whether it is in time: only before the first use of the pool.
bool use_clock(manual_clock& clock) noexcept;

// The eventfd of an event, a semaphore or a mutex: readable while it is signalled. Poll it; what is read from it is
// taken from those who wait. It belongs to the object.
int descriptor(void* object) noexcept;

// Called when a wait would close a cycle of callbacks that wait for each other, with a sentence that says so. The
// default prints it and aborts: on Windows the program would hang for ever. If the handler returns, the wait returns
// too, without having waited. It is called with no lock held. Answers the handler before; null stands for the default.
using deadlock_handler = void (*)(const char* sentence);
deadlock_handler on_deadlock(deadlock_handler handler) noexcept;

}  // namespace winpool

DETENT_END_NAMESPACE
