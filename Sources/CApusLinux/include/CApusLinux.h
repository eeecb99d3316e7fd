// What Swift's Glibc module leaves out: epoll, eventfd, and what Swift cannot import of sockets.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/// Registers `fd` for edge-triggered reading, writing and hang-up; each event gives `token` back.
static inline int capus_epoll_add(int epoll, int fd, uint64_t token) {
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data = {.u64 = token},
    };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/// Takes `fd` out of the set; closing it does the same.
static inline int capus_epoll_remove(int epoll, int fd) {
    return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

/// Token and readiness of one event; `struct epoll_event` is packed, which Swift reads badly.
static inline uint64_t capus_epoll_token(const struct epoll_event *events, int index) {
    return events[index].data.u64;
}
static inline uint32_t capus_epoll_bits(const struct epoll_event *events, int index) {
    return events[index].events;
}

/// Now on CLOCK_MONOTONIC, in nanoseconds.
static inline int64_t capus_monotonic_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// Now on the same clock as of the system's last tick, for a fraction of the cost.
static inline int64_t capus_monotonic_coarse_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// Now on CLOCK_BOOTTIME, which counts the time that the system sleeps too, in nanoseconds.
static inline int64_t capus_boottime_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/// Opens a socket that reports changes of the system's addresses (rtnetlink); -1 when it cannot.
int capus_open_address_notices(void);

/// Opens a timer that is readable after the wall clock was set, as it is after a sleep; -1 when it
/// cannot. Reading it fails with ECANCELED and makes it ready for the next time.
int capus_open_clock_notices(void);

/// Which event loop the calling thread is, or NULL; an address to compare with, never to follow.
extern __thread const void *capus_current_loop;
static inline const void *capus_loop_of_thread(void) { return capus_current_loop; }
static inline void capus_set_loop_of_thread(const void *loop) { capus_current_loop = loop; }

/// Sets the calling thread's name, at most 15 bytes.
void capus_name_thread(const char *name);

/// Has the calling thread sleep no longer than it asks for; the system's default adds up to 50
/// microseconds.
void capus_sleep_exactly(void);

/// Sleeps for less than a second; a signal may end it early.
void capus_rest(int64_t nanoseconds);

/// Lets the processor know that the calling thread waits for another one to write.
static inline void capus_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/// Sleeps while `*word` is `value`, until `capus_wake_one`; it may return early.
void capus_sleep_while(const void *word, uint32_t value);

/// Wakes one thread that sleeps on `word`.
void capus_wake_one(const void *word);
