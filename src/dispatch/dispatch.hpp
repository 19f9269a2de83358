// dispatch: the face of this folder.
#pragma once

#include "dispatch/pool.hpp"
