// threadpoolapiset.h: the same header by the name that Windows code includes.
#ifndef DETENT_WIN_THREADPOOLAPISET_H
#define DETENT_WIN_THREADPOOLAPISET_H

#include "../threadpoolapiset.h"

#endif
