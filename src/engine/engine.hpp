// engine: the face of this folder.
#pragma once

#include "engine/core.hpp"
#include "engine/groups.hpp"
#include "engine/manual.hpp"
#include "engine/record.hpp"
