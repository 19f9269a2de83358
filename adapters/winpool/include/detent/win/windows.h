// windows.h: as much of it as code around the thread pool needs. With -I PREFIX/include/detent/win a Windows program
// that keeps to this compiles unchanged; what is missing does not compile, instead of doing something else.
#ifndef DETENT_WIN_WINDOWS_H
#define DETENT_WIN_WINDOWS_H

#include "../threadpoolapiset.h"
#include "synchapi.h"
#include "windef.h"

#endif
