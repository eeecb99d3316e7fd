#define _GNU_SOURCE
#include "CApusLinux.h"
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

__thread const void *capus_current_loop = NULL;

void capus_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

void capus_sleep_exactly(void) { prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); }

void capus_rest(int64_t nanoseconds) {
    struct timespec time = {.tv_nsec = nanoseconds};
    nanosleep(&time, NULL);
}

void capus_sleep_while(const void *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

void capus_wake_one(const void *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int capus_open_address_notices(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0) return -1;
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

int capus_open_clock_notices(void) {
    int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) return -1;
    // In 2486, where a time of 32 bits is not in use.
    struct itimerspec never = {.it_value = {.tv_sec = sizeof(time_t) > 4 ? 1LL << 34 : INT32_MAX}};
    int flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    if (timerfd_settime(fd, flags, &never, NULL) == 0) return fd;
    close(fd);
    return -1;
}
