#define _GNU_SOURCE
#include "CApusLinux.h"

__thread const void *capus_current_loop = NULL;

void capus_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
