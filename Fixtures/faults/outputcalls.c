// Counts the calls that send: into a socket, and into TLS. The counts go into the file that
// APUS_OUTPUT_CALLS names when the process ends: sends, TLS writes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

static atomic_ulong sends, tls_writes;

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("APUS_OUTPUT_CALLS");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%lu %lu\n", atomic_load(&sends), atomic_load(&tls_writes));
    fclose(file);
}

ssize_t send(int socket, const void *bytes, size_t count, int flags) {
    static ssize_t (*next)(int, const void *, size_t, int);
    if (!next) next = dlsym(RTLD_NEXT, "send");
    atomic_fetch_add(&sends, 1);
    return next(socket, bytes, count, flags);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    static ssize_t (*next)(int, const struct msghdr *, int);
    if (!next) next = dlsym(RTLD_NEXT, "sendmsg");
    atomic_fetch_add(&sends, 1);
    return next(socket, message, flags);
}

int SSL_write_ex(void *connection, const void *bytes, size_t count, size_t *written) {
    static int (*next)(void *, const void *, size_t, size_t *);
    if (!next) next = dlsym(RTLD_NEXT, "SSL_write_ex");
    atomic_fetch_add(&tls_writes, 1);
    return next(connection, bytes, count, written);
}
