// Makes system calls behave as badly as they may (row 22 of the fault matrix): interrupted by
// signals, taking a part of what was offered, and with the smallest of buffers. Preloaded into the
// tool by a test, which finds in the file that SHORTIO_COUNTS names how often that came to pass. It
// never says EAGAIN by itself: no readiness would follow. How often the kernel said so is counted.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

static atomic_ulong interrupts, shortened, full;

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("SHORTIO_COUNTS");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lu %lu %lu\n", interrupts, shortened, full);
    fclose(file);
}

static __thread unsigned long turn = 88172645463325252UL;

// The next number of a fixed sequence, for each thread its own.
static unsigned long next(void) {
    turn ^= turn << 13;
    turn ^= turn >> 7;
    turn ^= turn << 17;
    return turn;
}

static int interrupted(unsigned long often) {
    if (next() % often != 0) return 0;
    interrupts++;
    errno = EINTR;
    return 1;
}

static size_t part(size_t length) {
    size_t some = 1 + next() % 5000;
    if (length <= some) return length;
    shortened++;
    return some;
}

static ssize_t counted(ssize_t sent) {
    if (sent < 0 && errno == EAGAIN) full++;
    return sent;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// The smallest of buffers, which is full again and again.
int connect(int socket, const struct sockaddr *address, socklen_t length) {
    int size = 1;
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return REAL(connect)(socket, address, length);
}

ssize_t recv(int socket, void *bytes, size_t length, int flags) {
    if (interrupted(3)) return -1;
    // All that there is: a shorter read would mean that there is no more.
    return REAL(recv)(socket, bytes, length, flags);
}

ssize_t send(int socket, const void *bytes, size_t length, int flags) {
    if (interrupted(3)) return -1;
    return counted(REAL(send)(socket, bytes, part(length), flags));
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    if (interrupted(3)) return -1;
    struct msghdr copy = *message;
    struct iovec piece = {0};
    for (size_t index = 0; index < message->msg_iovlen; index++) {
        if (message->msg_iov[index].iov_len == 0) continue;
        // Now and then all of the first piece and a little of the second.
        if (index + 1 < message->msg_iovlen && next() % 2 == 0) {
            struct iovec both[2] = {message->msg_iov[index], message->msg_iov[index + 1]};
            both[1].iov_len = part(both[1].iov_len);
            copy.msg_iov = both;
            copy.msg_iovlen = 2;
            return counted(REAL(sendmsg)(socket, &copy, flags));
        }
        piece = message->msg_iov[index];
        piece.iov_len = part(piece.iov_len);
        break;
    }
    copy.msg_iov = &piece;
    copy.msg_iovlen = 1;
    return counted(REAL(sendmsg)(socket, &copy, flags));
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout) {
    if (interrupted(4)) return -1;
    return REAL(epoll_wait)(epoll, events, count, timeout);
}
