// lifetime: the face of this folder.
#pragma once

#include "lifetime/calls.hpp"
#include "lifetime/handoff.hpp"
#include "lifetime/words.hpp"
