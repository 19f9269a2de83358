// base: the face of this folder.
#pragma once

#include "base/annotations.hpp"
#include "base/check.hpp"
