// sync: the face of this folder.
#pragma once

#include "sync/atomic.hpp"
#include "sync/eventcount.hpp"
#include "sync/lock_order.hpp"
#include "sync/mutex.hpp"
#include "sync/proof.hpp"
