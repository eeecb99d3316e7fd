#define _GNU_SOURCE
#include "CApusLinux.h"
#include <linux/futex.h>
#include <sys/syscall.h>

__thread const void *capus_current_loop = NULL;

void capus_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void capus_sleep_while(const void *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void capus_wake_one(const void *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
